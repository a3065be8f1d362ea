package fleet

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestListsDiffer: streams that only some members know are read, whoever has which list, and the
// mismatch is reported.
func TestListsDiffer(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	urls := feeds.urls(40)
	trace, seen := recordTrace()
	for i, known := range [][]string{urls[:30], urls[10:40], urls[:21]} {
		cfg := counting(kv, fmt.Sprint("m", i), count)
		cfg.Trace = trace
		runMember(t, cfg, known)
	}
	eventually(t, 20*time.Second, "all handled", func() bool { return count.done(40, 1) })
	eventually(t, 20*time.Second, "all read, evenly", func() bool { return even(owners(t, kv), 3, 40) })
	status, err := ReadStatus(t.Context(), kv)
	require.NoError(t, err)
	require.Equal(t, 3, status.Lists)
	require.Empty(t, status.Unread())
	require.Len(t, status.Streams, 40)
	require.Equal(t, []int{30, 30, 21}, []int{status.Members[0].Listed, status.Members[1].Listed, status.Members[2].Listed})
	eventually(t, 20*time.Second, "reported", func() bool { return len(seen.trouble("list")) > 0 })
	require.ErrorContains(t, seen.trouble("list")[0].Err, "streams that the list of this member has not, and lacks")
	feeds.publish(1)
	eventually(t, 20*time.Second, "all handled", func() bool { return count.done(40, 2) })
	require.Zero(t, count.repeats())
}

// TestOneMore: a deploy that adds a line leaves no stream unread, not even of those that all know.
func TestOneMore(t *testing.T) {
	node := startNode(t, server.Options{})
	for n := range 5 {
		kv := bucketNamed(t, node, fmt.Sprint("b", n))
		feeds, count := serveFeeds(t), newTally()
		feeds.publish(1)
		urls := feeds.urls(11)
		runMember(t, counting(kv, "old", count), urls[:10])
		runMember(t, counting(kv, "new", count), urls)
		eventually(t, 20*time.Second, "all handled", func() bool { return count.done(11, 1) })
		eventually(t, 20*time.Second, "all read", func() bool { return even(owners(t, kv), 2, 11) })
	}
}

// TestUpdate: the list is live.
func TestUpdate(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	urls := feeds.urls(12)
	var updates []chan []string
	trace, seen := recordTrace()
	for i := range 2 {
		update := make(chan []string)
		updates = append(updates, update)
		cfg := counting(kv, fmt.Sprint("m", i), count)
		cfg.Update, cfg.Trace = update, trace
		runMember(t, cfg, urls[:4])
	}
	set := func(list []string) {
		for _, update := range updates {
			update <- list
		}
	}
	eventually(t, 20*time.Second, "even", func() bool { return even(owners(t, kv), 2, 4) })
	set(urls)
	eventually(t, 20*time.Second, "more", func() bool { return even(owners(t, kv), 2, 12) && count.done(12, 1) })
	set(urls[8:])
	eventually(t, 20*time.Second, "fewer", func() bool { return even(owners(t, kv), 2, 4) })
	feeds.publish(1)
	eventually(t, 20*time.Second, "handled", func() bool { return len(count.missing(2)) == 8 })
	for _, info := range seen.of("released") {
		require.NoError(t, info.Err)
	}
	status, err := ReadStatus(t.Context(), kv)
	require.NoError(t, err)
	require.Equal(t, 1, status.Lists)
	require.Empty(t, status.Unread())
	for _, info := range seen.trouble("list") { // while one member had the new list, and the other had not
		require.ErrorContains(t, info.Err, "streams that the list of this member has not")
	}

	set(nil)
	eventually(t, 20*time.Second, "none", func() bool { return len(owners(t, kv)) == 0 })
	set(urls)
	close(updates[0])
	feeds.publish(1)
	eventually(t, 20*time.Second, "all again, where they were", func() bool { return count.done(12, 3) })
	require.Zero(t, count.repeats())
	require.Zero(t, count.gaps)
}

// TestRollingRestart: streams wait for a member that is restarted.
func TestRollingRestart(t *testing.T) {
	const members, streams = 4, 400
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	var opens atomic.Int32
	start := func(i int) func() error {
		cfg := counting(kv, fmt.Sprint("m", i), count)
		cfg.LeaseTTL, cfg.Rejoin = 15*time.Second, 30*time.Second // a busy machine takes seconds to return
		cfg.Trace = &Trace{Connected: func(StreamInfo) { opens.Add(1) }}
		return runMember(t, cfg, feeds.urls(streams))
	}
	var stops []func() error
	for i := range members {
		stops = append(stops, start(i))
	}
	calm := func() {
		eventually(t, 60*time.Second, "even shares", func() bool { return even(owners(t, kv), members, streams) })
	}
	calm()
	eventually(t, 60*time.Second, "all handled", func() bool { return count.done(streams, 1) })
	opens.Store(0)
	for i := range stops {
		require.ErrorIs(t, stops[i](), context.Canceled)
		start(i)
		calm()
	}
	feeds.publish(1)
	eventually(t, 60*time.Second, "all handled", func() bool { return count.done(streams, 2) })
	t.Logf("%d streams of %d members were opened %d times in a rolling restart", streams, members, opens.Load())
	require.LessOrEqual(t, opens.Load(), int32(450))
	require.Zero(t, count.repeats())
}

// TestRejoin: streams do not wait for a member that does not return for longer than Rejoin,
// and not at all for one without a name.
func TestRejoin(t *testing.T) {
	node := startNode(t, server.Options{})
	for i, test := range []struct {
		name   string
		rejoin time.Duration
		waits  bool
	}{{"a", time.Second, true}, {"a", -1, false}, {"", 0, false}} {
		kv := bucketNamed(t, node, fmt.Sprint("b", i))
		feeds, count := serveFeeds(t), newTally()
		feeds.publish(1)
		first := counting(kv, test.name, count)
		first.LeaseTTL, first.Rejoin = 15*time.Second, test.rejoin
		stop := runMember(t, first, feeds.urls(4))
		eventually(t, 10*time.Second, "handled", func() bool { return count.done(4, 1) })
		second := counting(kv, "b", count)
		second.LeaseTTL = 15 * time.Second
		runMember(t, second, feeds.urls(4))
		eventually(t, 10*time.Second, "even", func() bool { return even(owners(t, kv), 2, 4) })
		require.ErrorIs(t, stop(), context.Canceled)
		took := eventually(t, 10*time.Second, "taken over", func() bool { return owners(t, kv)["b"] == 4 })
		require.Equal(t, test.waits, took > 700*time.Millisecond, "%v: %v", test, took)
	}
}

// TestGiveBack: a member that cannot reach streams that another one can gives them back.
func TestGiveBack(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	urls := feeds.urls(10)
	away := map[string]bool{urls[0]: true, urls[1]: true, urls[2]: true, urls[3]: true}
	trace, seen := recordTrace()
	cut := counting(kv, "cut", count)
	cut.GiveBack, cut.Trace = 2, trace
	cut.Client = &sse.Client{Prepare: func(req *http.Request) error {
		if away[req.URL.String()] {
			req.URL.Host = "127.0.0.1:1"
		}
		return nil
	}}
	runMember(t, cut, urls)
	eventually(t, 10*time.Second, "those it can reach", func() bool { return count.done(6, 1) })
	time.Sleep(3 * time.Second)
	require.Empty(t, seen.of("released"), "nobody else is there")
	whole := counting(kv, "whole", count)
	runMember(t, whole, urls)
	eventually(t, 30*time.Second, "all handled", func() bool { return count.done(10, 1) })
	eventually(t, 30*time.Second, "even", func() bool { return even(owners(t, kv), 2, 10) })
	given := 0
	for _, info := range seen.of("released") {
		if info.Err != nil {
			require.ErrorIs(t, info.Err, ErrUnreachable)
			require.ErrorContains(t, info.Err, "connection refused")
			given++
		}
	}
	require.LessOrEqual(t, given, 4, "once each")
	eventually(t, 30*time.Second, "each where it can be reached", func() bool {
		status, err := ReadStatus(t.Context(), kv)
		require.NoError(t, err)
		return !slices.ContainsFunc(status.Streams, func(s StreamStatus) bool { return away[s.Stream] && s.Member != "whole" })
	})
}

// TestOpensPerHost: a host sees so many connections at a time that are being opened by a member.
func TestOpensPerHost(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	var mu sync.Mutex
	now, most, total := 0, 0, 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		mu.Lock()
		now--
		total++
		mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	defer srv.CloseClientConnections()
	cfg := counting(kv, "a", newTally())
	cfg.OpensPerHost = 3
	stop := runMember(t, cfg, feedURLs(srv.URL, 60))
	eventually(t, 30*time.Second, "all open", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return total == 60
	})
	require.LessOrEqual(t, most, 3)
	require.Greater(t, most, 1)
	require.ErrorIs(t, stop(), context.Canceled)
}

// TestConnections: drops, refused reconnections and openings are reported with the stream's name.
func TestConnections(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	var requests atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		if n == 2 || n == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "retry: 10\nid: %d\ndata\n\n", n)
		w.(http.Flusher).Flush()
		if n != 1 {
			<-r.Context().Done()
		}
	}))
	defer srv.Close()
	defer srv.CloseClientConnections()
	cfg := counting(kv, "a", newTally())
	trace, seen := recordTrace()
	var theirs atomic.Int32
	cfg.Trace = trace
	cfg.Client = &sse.Client{Trace: &sse.Trace{
		Connect: func(*http.Request) { theirs.Add(1) }, Open: func(*http.Response) { theirs.Add(1) },
		Disconnect: func(sse.DisconnectInfo) { theirs.Add(1) },
	}}
	cfg.Handle = func(context.Context, string, sse.Event) error { return nil }
	stop := runMember(t, cfg, []string{srv.URL})
	eventually(t, 20*time.Second, "connected again", func() bool { return len(seen.of("connected")) == 2 })
	gone := seen.of("disconnected")
	require.Len(t, gone, 3)
	for i, info := range gone {
		require.Equal(t, srv.URL, info.Stream)
		require.Positive(t, info.Delay)
		require.Error(t, info.Err)
		require.Equal(t, i > 0, strings.Contains(info.Err.Error(), "503"), info.Err)
	}
	require.Equal(t, srv.URL, seen.of("connected")[1].Stream)
	require.Equal(t, "1", seen.of("connected")[1].LastEventID)
	require.ErrorIs(t, stop(), context.Canceled)
	require.EqualValues(t, 4+2+4, theirs.Load(), "the Client's own hooks are called, too")
}

// TestHealth: Status names who is connected and who is not, why, and since when; and who is unread.
func TestHealth(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	urls := append(feeds.urls(2), down.URL)
	began := time.Now()
	stop := runMember(t, counting(kv, "a", count), urls)
	read := func() map[string]StreamStatus {
		status, err := ReadStatus(t.Context(), kv)
		require.NoError(t, err)
		byName := make(map[string]StreamStatus)
		for _, s := range status.Streams {
			byName[s.Stream] = s
		}
		return byName
	}
	eventually(t, 20*time.Second, "handled", func() bool { return count.done(2, 1) })
	eventually(t, 20*time.Second, "one is down", func() bool { return read()[down.URL].LastError != "" })
	all := read()
	require.ElementsMatch(t, urls, slices.Collect(maps.Keys(all)))
	require.False(t, all[down.URL].Connected)
	require.Contains(t, all[down.URL].LastError, "connection refused")
	require.WithinRange(t, all[down.URL].ErrorTime, began, time.Now())
	require.Equal(t, "a", all[down.URL].Member)
	for _, url := range feeds.urls(2) {
		require.True(t, all[url].Connected)
		require.Empty(t, all[url].LastError)
		require.WithinRange(t, all[url].LastEvent, began, time.Now())
	}
	feeds.CloseClientConnections() // a moment
	feeds.publish(1)
	eventually(t, 20*time.Second, "connected again", func() bool { return count.done(2, 2) })
	eventually(t, 20*time.Second, "connected again", func() bool { return read()[urls[0]].Connected && read()[urls[0]].LastEventID == "2" })

	srv := &http.Server{Addr: down.Listener.Addr().String(), Handler: feeds, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.ListenAndServe() }()
	defer srv.Close()
	eventually(t, 30*time.Second, "connected", func() bool { return read()[down.URL].Connected })
	require.Contains(t, read()[down.URL].LastError, "connection refused", "it is remembered")
	require.ErrorIs(t, stop(), context.Canceled)
	require.False(t, read()[urls[0]].Connected)
	require.False(t, read()[urls[0]].Unread, "no member wants it")
}

// TestStatusLeavesNothing: reading a bucket leaves no subscription on its connection.
func TestStatusLeavesNothing(t *testing.T) {
	node := startNode(t, server.Options{})
	kv, _, conn := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: "fleet"})
	require.NoError(t, SetPosition(t.Context(), kv, "a", "1"))
	before := conn.NumSubscriptions()
	for range 5 {
		_, err := ReadStatus(t.Context(), kv)
		require.NoError(t, err)
	}
	require.Equal(t, before, conn.NumSubscriptions())
	for range 5 {
		_, err := testStore(kv).last(t.Context(), positionKey("a"))
		require.NoError(t, err)
	}
	require.Equal(t, before, conn.NumSubscriptions())
}

// TestUnread: a stream that members list and none has is named.
func TestUnread(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	urls := feeds.urls(3)
	_, err := kv.PutString(t.Context(), positionKey(urls[1]), "junk")
	require.NoError(t, err)
	runMember(t, counting(kv, "a", count), urls)
	eventually(t, 20*time.Second, "others handled", func() bool { return count.done(2, 1) })
	eventually(t, 20*time.Second, "named", func() bool {
		status, err := ReadStatus(t.Context(), kv)
		require.NoError(t, err)
		i := slices.IndexFunc(status.Streams, func(s StreamStatus) bool { return s.Stream == urls[1] })
		return slices.Equal([]string{urls[1]}, status.Unread()) && strings.Contains(status.Streams[i].LastError, "is no record of a fleet")
	})
}

// TestPlan: the quotas of all members together are all streams, and even where that is possible.
func TestPlan(t *testing.T) {
	name := func(i int) string { return fmt.Sprint("s", i) }
	lists := [][]int{{0, 30}, {10, 40}, {0, 21}, {0, 41}}
	sum := 0
	for self, bounds := range lists {
		var own []string
		for i := bounds[0]; i < bounds[1]; i++ {
			own = append(own, name(i))
		}
		v := newView(fmt.Sprint("m", self), "", newList(own))
		for i, bounds := range lists {
			var names []string
			for i := bounds[0]; i < bounds[1]; i++ {
				names = append(names, name(i))
			}
			l := newList(names)
			v.lists[l.hash] = make(map[string]bool)
			for key := range l.streams {
				v.lists[l.hash][key] = true
			}
			r := memberRecord{TTL: time.Second, List: l.hash}
			if i == 3 {
				r.Not = []string{leaseKey(name(15))}
			}
			require.NoError(t, v.apply(entry{key: memberPrefix + fmt.Sprint("m", i), value: encode(r), revision: uint64(i + 1)}, noon, time.Second))
		}
		p := v.makePlan()
		require.InDelta(t, 10.25, p.info.Share, 0.75+0.01)
		p.info.Share = 10
		require.Equal(t, RebalanceInfo{Members: 4, Streams: 41, Share: 10, Lists: 4}, p.info)
		for _, n := range p.quota {
			sum += n
		}
		require.True(t, v.others(leaseKey(name(15))))
		require.Equal(t, self != 3, v.others(leaseKey(name(40))), "only m3 knows it")
	}
	require.Equal(t, 41, sum)
}

// TestListParts: a list comes back from its parts, whatever its names are.
func TestListParts(t *testing.T) {
	node := startNode(t, server.Options{})
	s := testStore(newBucket(t, node.ClientURL(), 1))
	names := []string{"", "a\nb", "\x00", strings.Repeat("long", maxPart), "\xff"}
	for i := range 3000 {
		names = append(names, fmt.Sprintf("https://example.com/%d/%s", i, strings.Repeat("x", i%200)))
	}
	l := newList(names)
	require.Greater(t, l.parts, 3)
	require.NoError(t, s.publish(t.Context(), l))
	require.NoError(t, s.Delete(t.Context(), partKey(l.hash, l.parts-1)), "as if its member had died before")
	require.NoError(t, s.publish(t.Context(), l))
	keys, err := s.fetch(t.Context(), l.hash, l.parts)
	require.NoError(t, err)
	require.Len(t, keys, len(l.streams))
	_, err = s.fetch(t.Context(), l.hash, l.parts-1)
	require.ErrorContains(t, err, "is another one")
	_, err = s.fetch(t.Context(), l.hash, l.parts+1)
	require.ErrorContains(t, err, "is not in the bucket yet")
	require.NoError(t, s.sweep(t.Context(), nil))
	_, err = s.fetch(t.Context(), l.hash, l.parts)
	require.NoError(t, err, "it is too new")
	_, err = decodePart([]byte("junk"))
	require.Error(t, err)
}
