package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestCopied: positions that were copied from another bucket, whose fences mean nothing, are
// resumed from.
func TestCopied(t *testing.T) {
	node := startNode(t, server.Options{})
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(3)
	urls := feeds.urls(3)
	to, _, _ := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: "to"}) // it is older
	from, _, _ := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: "from"})
	for range 100 { // revisions that the other bucket does not have yet
		_, err := from.PutString(t.Context(), "position.other", "{}")
		require.NoError(t, err)
	}
	stop := runMember(t, counting(from, "a", count), urls)
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(3, 3) })
	require.ErrorIs(t, stop(), context.Canceled)
	for _, url := range urls {
		e, err := from.Get(t.Context(), positionKey(url))
		require.NoError(t, err)
		_, err = to.Put(t.Context(), e.Key(), e.Value())
		require.NoError(t, err)
	}
	feeds.publish(2)
	runMember(t, counting(to, "b", count), urls)
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(3, 5) })
	require.Zero(t, count.repeats())
	require.Zero(t, count.gaps)
}

// TestHigherFence: a position under a lease that is later than any is reported, again and again but
// not often.
func TestHigherFence(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	status, err := kv.Status(t.Context())
	require.NoError(t, err)
	url := feeds.urls(1)[0]
	_, err = kv.Put(t.Context(), positionKey(url), encode(positionRecord{Stream: url, Bucket: epoch(status), Fence: 1 << 62}))
	require.NoError(t, err)
	cfg := counting(kv, "a", count)
	trace, seen := recordTrace()
	cfg.Trace = trace
	runMember(t, cfg, []string{url})
	eventually(t, 20*time.Second, "growing waits", func() bool { return longest(seen.trouble("claim")) > 400*time.Millisecond })
	require.ErrorContains(t, seen.trouble("claim")[0].Err, "was written under a later lease")
	require.Equal(t, url, seen.trouble("claim")[0].Stream)
	require.Less(t, writes(t, kv), uint64(100), "no hot loop")
	require.NoError(t, ResetPosition(t.Context(), kv, url))
	require.NoError(t, kv.Delete(t.Context(), positionKey(url)))
	eventually(t, 20*time.Second, "handled", func() bool { return count.done(1, 1) })
}

// TestJunkLease: a lease that is no record of a fleet is reported once, and replaced.
func TestJunkLease(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	urls := feeds.urls(4)
	for i, junk := range []string{"junk", `"a string"`, `[]`, `{}`} {
		_, err := kv.PutString(t.Context(), leaseKey(urls[i]), junk)
		require.NoError(t, err)
	}
	_, err := kv.PutString(t.Context(), memberPrefix+"junk", "junk")
	require.NoError(t, err)
	cfg := counting(kv, "a", count)
	trace, seen := recordTrace()
	cfg.Trace = trace
	runMember(t, cfg, urls)
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(4, 1) })
	eventually(t, 10*time.Second, "the member that is none is deleted", func() bool {
		_, err := kv.Get(t.Context(), memberPrefix+"junk")
		return errors.Is(err, jetstream.ErrKeyNotFound)
	})
	require.Len(t, seen.trouble("watch"), 4, "three leases and a member")
	require.ErrorContains(t, seen.trouble("watch")[0].Err, "is no record of a fleet")
	require.Less(t, writes(t, kv), uint64(100), "no hot loop")

	// One of a running member is lost, and taken again.
	_, err = kv.PutString(t.Context(), leaseKey(urls[0]), "junk again")
	require.NoError(t, err)
	feeds.publish(1)
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(4, 2) })
}

// TestMarkersRemoved: a stream whose marker of deletion was removed while members run is taken.
func TestMarkersRemoved(t *testing.T) {
	node := startNode(t, server.Options{})
	kv, js, _ := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: "fleet"})
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	url := feeds.urls(1)[0]
	first := counting(kv, "a", count)
	first.Rejoin = -1
	update := make(chan []string)
	first.Update = update
	runMember(t, first, []string{url})
	eventually(t, 10*time.Second, "handled", func() bool { return count.done(1, 1) })
	update <- nil
	eventually(t, 10*time.Second, "released", func() bool { return len(owners(t, kv)) == 0 })
	time.Sleep(100 * time.Millisecond) // the member sees the marker
	stream, err := js.Stream(t.Context(), "KV_fleet")
	require.NoError(t, err)
	require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject("$KV.fleet."+leaseKey(url))))
	feeds.publish(1)
	update <- []string{url}
	eventually(t, 10*time.Second, "handled", func() bool { return count.done(1, 2) })
}

// TestRecreated: tokens grow, even if the bucket is made anew, before or while a member runs.
func TestRecreated(t *testing.T) {
	node := startNode(t, server.Options{})
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	url := feeds.urls(1)[0]
	// In memory: NATS at times gives a bucket on disk that is made anew what the one before had.
	bucket := jetstream.KeyValueConfig{Bucket: "fleet", Storage: jetstream.MemoryStorage}
	kv, js, _ := makeBucket(t, node.ClientURL(), bucket)
	for range 200 {
		_, err := kv.PutString(t.Context(), "position.other", "{}")
		require.NoError(t, err)
	}
	cfg := counting(kv, "a", count)
	trace, seen := recordTrace()
	cfg.Trace = trace
	stop := runMember(t, cfg, []string{url})
	eventually(t, 10*time.Second, "handled", func() bool { return count.done(1, 1) })
	require.ErrorIs(t, stop(), context.Canceled)
	again := func() {
		require.NoError(t, js.DeleteKeyValue(t.Context(), "fleet"))
		var err error
		kv, err = js.CreateKeyValue(t.Context(), bucket)
		require.NoError(t, err)
	}
	again()
	cfg.KV = kv
	running := make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(running)
		for ctx.Err() == nil { // it returns if it sees the moment in which there is no bucket
			_ = Run(ctx, cfg, slices.Values([]string{url}))
			_ = sleep(ctx, pause)
		}
	}()
	defer func() {
		cancel()
		<-running
	}()
	eventually(t, 10*time.Second, "acquired", func() bool { return len(seen.of("acquired")) >= 2 })
	again()
	feeds.publish(2)
	eventually(t, 20*time.Second, "handled under a new lease", func() bool { return len(seen.of("acquired")) >= 3 && count.done(1, 3) })
	require.Empty(t, count.late(), "no token was refused")
	last := uint64(0)
	for _, info := range seen.of("acquired") {
		require.Greater(t, info.Token, last)
		last = info.Token
	}
}

// TestTooLarge: a stream whose position or lease is too large for NATS is reported with its cause
// and with waits that grow. It disturbs no other stream, and Run ends.
func TestTooLarge(t *testing.T) {
	for _, test := range []struct {
		name, op string
		opts     server.Options
		bucket   jetstream.KeyValueConfig
		id, url  string
		cause    string
	}{
		{"an ID", "commit", server.Options{}, jetstream.KeyValueConfig{MaxValueSize: 2000}, strings.Repeat("x", 3000), "", "message size exceeds maximum allowed"},
		{"a name", "claim", server.Options{}, jetstream.KeyValueConfig{MaxValueSize: 2000}, "", "/?" + strings.Repeat("x", 3000), "message size exceeds maximum allowed"},
		{"a name over max_payload", "claim", server.Options{MaxPayload: 5000}, jetstream.KeyValueConfig{}, "", "/?" + strings.Repeat("x", 6000), nats.ErrMaxPayload.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			node := startNode(t, test.opts)
			test.bucket.Bucket = "fleet"
			kv, _, _ := makeBucket(t, node.ClientURL(), test.bucket)
			feeds, count := serveFeeds(t), newTally()
			feeds.publish(1)
			url, _ := respond(t, "id: "+test.id+"\ndata\n\n")
			url += test.url
			good := counting(kv, "a", count)
			cfg := good
			cfg.LeaseTTL, cfg.Drain = 3*time.Second, 500*time.Millisecond
			cfg.Handle = func(ctx context.Context, stream string, ev sse.Event) error {
				if stream == url {
					return nil
				}
				return good.Handle(ctx, stream, ev)
			}
			trace, seen := recordTrace()
			cfg.Trace = trace
			stop := runMember(t, cfg, append(feeds.urls(20), url))
			eventually(t, 10*time.Second, "the others handled", func() bool { return count.done(20, 1) })
			eventually(t, 20*time.Second, "waits that grow", func() bool { return longest(seen.trouble(test.op)) >= 1500*time.Millisecond })
			info := seen.trouble(test.op)[0]
			require.ErrorContains(t, info.Err, test.cause)
			require.Equal(t, url, info.Stream)
			require.GreaterOrEqual(t, info.Delay, 500*time.Millisecond, "nothing cures it soon")
			require.LessOrEqual(t, len(seen.trouble(test.op)), 10)
			began := time.Now()
			require.ErrorIs(t, stop(), context.Canceled)
			require.Less(t, time.Since(began), 15*time.Second)
		})
	}
}

// TestFull: what runs continues in a bucket that is full, the cause is reported, and all is well
// when there is room again.
func TestFull(t *testing.T) {
	node := startNode(t, server.Options{})
	cfg := jetstream.KeyValueConfig{Bucket: "fleet", MaxBytes: 40_000, Storage: jetstream.MemoryStorage}
	kv, js, _ := makeBucket(t, node.ClientURL(), cfg)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	member := counting(kv, "a", count)
	member.LeaseTTL = 2 * time.Second
	trace, seen := recordTrace()
	member.Trace = trace
	runMember(t, member, feeds.urls(200))
	eventually(t, 20*time.Second, "the cause", func() bool {
		for _, op := range []string{"claim", "position", "commit", "renew", "join", "release"} {
			for _, info := range seen.trouble(op) {
				if strings.Contains(info.Err.Error(), "maximum bytes exceeded") {
					return true
				}
			}
		}
		return false
	})
	before := writes(t, kv)
	time.Sleep(time.Second)
	require.Less(t, writes(t, kv)-before, uint64(500), "no hot loop")
	cfg.MaxBytes = 10_000_000
	_, err := js.UpdateKeyValue(t.Context(), cfg)
	require.NoError(t, err)
	eventually(t, 90*time.Second, "all handled", func() bool { return count.done(200, 1) })
}

// TestRights: a member that may not write all that a member writes takes no streams from the
// others, and names the right that it lacks.
func TestRights(t *testing.T) {
	for _, missing := range []string{"$KV.fleet.lease.*", "$KV.fleet.position.*", "$KV.fleet.member.*", "$JS.API.CONSUMER.CREATE.KV_fleet.>"} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			all := &server.User{Username: "all", Password: "all"}
			some := &server.User{Username: "some", Password: "some", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: []string{">"}, Deny: []string{missing}},
			}}
			node := startNode(t, server.Options{Users: []*server.User{all, some}})
			url := strings.Replace(node.ClientURL(), "nats://", "nats://all:all@", 1)
			kv := newBucket(t, url, 1)
			feeds, count := serveFeeds(t), newTally()
			feeds.publish(1)
			runMember(t, counting(kv, "a", count), feeds.urls(10))
			eventually(t, 10*time.Second, "all handled", func() bool { return count.done(10, 1) })

			conn, err := nats.Connect(node.ClientURL(), nats.UserInfo("some", "some"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
			require.NoError(t, err)
			t.Cleanup(conn.Close)
			js, err := jetstream.New(conn)
			require.NoError(t, err)
			poor, err := js.KeyValue(t.Context(), "fleet")
			require.NoError(t, err)
			cfg := counting(poor, "b", count)
			cfg.Conn, cfg.Drain = conn, time.Second
			trace, seen := recordTrace()
			cfg.Trace = trace
			stop := runMember(t, cfg, feeds.urls(10))
			eventually(t, 30*time.Second, "the missing right", func() bool {
				for _, info := range append(seen.trouble("join"), seen.trouble("watch")...) {
					if errors.Is(info.Err, nats.ErrPermissionViolation) && info.Delay >= 500*time.Millisecond {
						return true
					}
				}
				return false
			})
			feeds.publish(1)
			eventually(t, 20*time.Second, "all handled by the other", func() bool { return count.done(10, 2) })
			require.Empty(t, seen.of("acquired"))
			require.Equal(t, map[string]int{"a": 10}, owners(t, kv))
			require.ErrorIs(t, stop(), context.Canceled)
		})
	}
}

// TestLostCause: an ErrLeaseLost says why.
func TestLostCause(t *testing.T) {
	opts := server.Options{StoreDir: t.TempDir()}
	node := startNode(t, opts)
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	cfg := counting(kv, "a", count)
	trace, seen := recordTrace()
	cfg.Trace = trace
	runMember(t, cfg, feeds.urls(1))
	eventually(t, 10*time.Second, "handled", func() bool { return count.done(1, 1) })
	node.Shutdown()
	node.WaitForShutdown()
	eventually(t, 10*time.Second, "lost", func() bool { return len(seen.of("released")) == 1 })
	err := seen.of("released")[0].Err
	require.ErrorIs(t, err, ErrLeaseLost)
	require.NotEqual(t, ErrLeaseLost.Error(), err.Error(), "there is a cause")
	eventually(t, 20*time.Second, "NATS is away", func() bool { return len(seen.trouble("check")) > 0 })
}

// slowNATS is a proxy that delays what passes it by half of a round trip, each way.
func slowNATS(t testing.TB, node *server.Server, roundTrip time.Duration) (url string) {
	return slowProxy(t, node.Addr().String(), roundTrip)
}

func slowProxy(t testing.TB, address string, roundTrip time.Duration) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", address)
			if err != nil {
				in.Close()
				continue
			}
			go delay(in, out, roundTrip/2)
			go delay(out, in, roundTrip/2)
		}
	}()
	return "nats://" + l.Addr().String()
}

// delay copies from one connection to another, each byte after the same time.
func delay(from, to net.Conn, d time.Duration) {
	type piece struct {
		at   time.Time
		data []byte
	}
	pieces := make(chan piece, 1<<16)
	go func() {
		defer to.Close()
		for p := range pieces {
			time.Sleep(time.Until(p.at))
			if _, err := to.Write(p.data); err != nil {
				from.Close()
			}
		}
	}()
	defer close(pieces)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			pieces <- piece{time.Now().Add(d), append([]byte(nil), buf[:n]...)}
		}
		if err != nil {
			return
		}
	}
}

// TestSlowNATS: members live with round trips of a third of their lease and more, and get
// many streams in little time.
func TestSlowNATS(t *testing.T) {
	for _, test := range []struct {
		roundTrip, ttl time.Duration
		streams        int
		within         time.Duration
	}{
		{1200 * time.Millisecond, 3 * time.Second, 20, 40 * time.Second},
		{500 * time.Millisecond, 15 * time.Second, 500, 25 * time.Second},
		{20 * time.Millisecond, 15 * time.Second, 500, 25 * time.Second},
	} {
		t.Run(test.roundTrip.String(), func(t *testing.T) {
			t.Parallel()
			node := startNode(t, server.Options{})
			newBucket(t, node.ClientURL(), 1)
			kv, err := js(t, slowNATS(t, node, test.roundTrip)).KeyValue(t.Context(), "fleet")
			require.NoError(t, err)
			feeds, count := serveFeeds(t), newTally()
			feeds.publish(1)
			cfg := counting(kv, "a", count)
			cfg.LeaseTTL, cfg.Commit = test.ttl, CommitPolicy{Interval: time.Second}
			trace, seen := recordTrace()
			cfg.Trace = trace
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("%+v", seen.bad)
				}
			})
			runMember(t, cfg, feeds.urls(test.streams))
			took := eventually(t, test.within, "all handled", func() bool { return count.done(test.streams, 1) })
			t.Logf("round trip %v: %d streams after %v", test.roundTrip, test.streams, took)
			feeds.publish(1)
			eventually(t, 20*time.Second, "all handled", func() bool { return count.done(test.streams, 2) })
			time.Sleep(min(2*test.ttl, 10*time.Second))
			require.Empty(t, seen.of("released"), "no lease is lost")
		})
	}
}

// TestSlowShares: members that start together share their streams evenly, though what one has
// claimed is known to the others, and to itself, much later.
func TestSlowShares(t *testing.T) {
	const members, streams = 4, 400
	node := startNode(t, server.Options{})
	direct := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	for i := range members {
		kv, err := js(t, slowNATS(t, node, 500*time.Millisecond)).KeyValue(t.Context(), "fleet")
		require.NoError(t, err)
		cfg := counting(kv, fmt.Sprint("m", i), count)
		cfg.LeaseTTL, cfg.Commit = 5*time.Second, CommitPolicy{Interval: time.Second}
		runMember(t, cfg, feeds.urls(streams))
		time.Sleep(200 * time.Millisecond) // the first has begun to claim all of them
	}
	eventually(t, 3*time.Minute, "even shares", func() bool { return even(owners(t, direct), members, streams) })
	eventually(t, 3*time.Minute, "all handled", func() bool { return count.done(streams, 1) })
}

// js returns JetStream at a URL.
func js(t testing.TB, url string) jetstream.JetStream {
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.Timeout(20*time.Second))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(30*time.Second))
	require.NoError(t, err)
	return js
}

// TestStatusJSON: the form of Status is JSON.
func TestStatusJSON(t *testing.T) {
	b, err := json.Marshal(Status{Streams: []StreamStatus{{Stream: "a", Unread: true}}})
	require.NoError(t, err)
	require.Contains(t, string(b), `"stream":"a"`)
	require.Contains(t, string(b), `"unread":true`)
	require.Equal(t, []string{"a"}, Status{Streams: []StreamStatus{{Stream: "a", Unread: true}, {Stream: "b"}}}.Unread())
}
