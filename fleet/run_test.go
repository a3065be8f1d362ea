package fleet

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

func TestConfigErrors(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	forgetful, _, _ := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: "forgetful", TTL: time.Hour})
	handle := func(context.Context, string, sse.Event) error { return nil }
	for _, test := range []struct {
		want string
		cfg  Config
	}{
		{"fleet: Config.KV is nil", Config{Handle: handle}},
		{"fleet: Config.Handle is nil", Config{KV: kv}},
		{"fleet: Config.LeaseTTL is 99ms, less than 100ms", Config{KV: kv, Handle: handle, LeaseTTL: 99 * time.Millisecond}},
		{"fleet: Config.LeaseTTL is -1s, less than 100ms", Config{KV: kv, Handle: handle, LeaseTTL: -time.Second}},
		{"fleet: Config.Commit is negative: {Events:-1 Interval:0s}", Config{KV: kv, Handle: handle, Commit: CommitPolicy{Events: -1}}},
		{"fleet: Config.Commit is negative: {Events:0 Interval:-1ns}", Config{KV: kv, Handle: handle, Commit: CommitPolicy{Interval: -1}}},
		{"fleet: Config.MaxAttempts, HandlerTimeout or OpensPerHost is negative", Config{KV: kv, Handle: handle, MaxAttempts: -1}},
		{"fleet: Config.MaxAttempts, HandlerTimeout or OpensPerHost is negative", Config{KV: kv, Handle: handle, HandlerTimeout: -1}},
		{"fleet: Config.MaxAttempts, HandlerTimeout or OpensPerHost is negative", Config{KV: kv, Handle: handle, OpensPerHost: -1}},
		{`fleet: the bucket "forgetful" forgets what is older than 1h0m0s, positions too`, Config{KV: forgetful, Handle: handle}},
	} {
		require.EqualError(t, Run(t.Context(), test.cfg, nil), test.want)
	}
}

// TestFatal: Run ends where going on is of no use.
func TestFatal(t *testing.T) {
	node := startNode(t, server.Options{})
	feeds := serveFeeds(t)
	feeds.publish(1)
	for _, test := range []struct {
		name string
		end  func(jetstream.JetStream, *nats.Conn)
	}{
		{"closed", func(_ jetstream.JetStream, conn *nats.Conn) { conn.Close() }},
		{"deleted", func(js jetstream.JetStream, _ *nats.Conn) {
			require.NoError(t, js.DeleteKeyValue(t.Context(), "deleted"))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			kv, js, conn := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: test.name})
			count := newTally()
			cfg := counting(kv, "a", count)
			ended := make(chan error, 1)
			go func() { ended <- Run(t.Context(), cfg, slices.Values(feeds.urls(2))) }()
			eventually(t, 10*time.Second, "all handled", func() bool { return count.done(2, 1) })
			test.end(js, conn)
			select {
			case err := <-ended:
				require.True(t, fatal(err), err)
			case <-time.After(20 * time.Second):
				require.Fail(t, "Run goes on")
			}
		})
	}
}

// TestRequest: who makes the request says where a stream starts, and the bucket where it
// goes on; an error of either is tried again.
func TestRequest(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(5)
	count.of("x").last = 2
	var made atomic.Int32
	type key struct{}
	cfg := counting(kv, "a", count)
	cfg.Client = &sse.Client{Prepare: func(req *http.Request) error {
		if req.Context().Value(key{}) != "kept" {
			return errors.New("the request's context is lost")
		}
		return nil
	}}
	cfg.Request = func(ctx context.Context, stream string) (*http.Request, error) {
		switch made.Add(1) {
		case 1:
			return nil, errors.New("no token yet")
		case 2:
			return nil, nil
		}
		req, err := http.NewRequestWithContext(context.WithValue(context.Background(), key{}, "kept"), http.MethodGet, feeds.URL+"/"+stream, nil)
		if err == nil {
			req.Header.Set("Last-Event-ID", "2")
		}
		return req, err
	}
	failed := make(chan error, 10)
	cfg.Trace = &Trace{StreamError: func(info StreamInfo) { failed <- info.Err }}
	stop := runMember(t, cfg, []string{"x", "x"})
	eventually(t, 10*time.Second, "handled from the third on", func() bool { return count.done(1, 5) })
	require.ErrorIs(t, stop(), context.Canceled, "though the request's own context goes on")
	require.EqualError(t, <-failed, "no token yet")
	require.EqualError(t, <-failed, "fleet: Config.Request returned no request")
	require.Empty(t, failed)

	feeds.publish(2)
	runMember(t, cfg, []string{"x"})
	eventually(t, 10*time.Second, "handled from the sixth on", func() bool { return count.done(1, 7) })
	require.Zero(t, count.repeats())
	require.Zero(t, count.gaps)
}

// respond serves the same events to each request, and tells where each resumes.
func respond(t *testing.T, body string) (url string, resumed <-chan string) {
	ids := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids <- strings.Join(r.Header["Last-Event-Id"], "+")
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(body))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL, ids
}

// TestPositions: which ID a stream resumes after when another member takes it.
func TestPositions(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	for _, test := range []struct{ name, body, resumed string }{
		{"an ID that is sticky", "id: 7\ndata\n\ndata\n\n", "7"},
		{"none", "data\n\n", ""},
		{"one that no header can carry", "id: 7\ndata\n\nid: a\x01\ndata\n\n", "7"},
		{"one that is too long", "id: 7\ndata\n\nid: " + strings.Repeat("8", 8193) + "\ndata\n\n", "7"},
		{"a reset", "id: 7\ndata\n\nid\ndata\n\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			url, resumed := respond(t, test.body)
			events := make(chan sse.Event, 10)
			cfg := Config{KV: kv, LeaseTTL: time.Second, Handle: func(_ context.Context, _ string, ev sse.Event) error {
				events <- ev
				return nil
			}}
			stop := runMember(t, cfg, []string{url})
			require.Empty(t, <-resumed)
			for range strings.Count(test.body, "data") {
				<-events
			}
			require.ErrorIs(t, stop(), context.Canceled)
			runMember(t, cfg, []string{url})
			require.Equal(t, test.resumed, <-resumed)
		})
	}
}

// TestCommitPolicy: a position is committed after so many events or so much time.
func TestCommitPolicy(t *testing.T) {
	node := startNode(t, server.Options{})
	for _, test := range []struct {
		name   string
		policy CommitPolicy
		want   []string
		end    string // when it is stopped
	}{
		{"each", CommitPolicy{}, []string{"1", "2", "3", "4", "5", "6", "7"}, ""},
		{"three", CommitPolicy{Events: 3}, []string{"3", "6"}, "7"},
		{"time", CommitPolicy{Interval: 100 * time.Millisecond}, []string{"7"}, ""},
		{"three or time", CommitPolicy{Events: 3, Interval: 100 * time.Millisecond}, []string{"3", "6", "7"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			kv, _, _ := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: strings.ReplaceAll(test.name, " ", "-")})
			feeds, count := serveFeeds(t), newTally()
			cfg := counting(kv, "a", count)
			cfg.Commit = test.policy
			committed := make(chan string, 10)
			cfg.Trace = &Trace{Committed: func(info StreamInfo) { committed <- info.LastEventID }}
			stop := runMember(t, cfg, feeds.urls(1))
			feeds.publish(7)
			for _, want := range test.want {
				require.Equal(t, want, <-committed)
			}
			eventually(t, 10*time.Second, "all handled", func() bool { return count.done(1, 7) })
			require.ErrorIs(t, stop(), context.Canceled)
			close(committed)
			require.Equal(t, test.end, <-committed)
			require.Empty(t, committed)
		})
	}
}

// TestHandlerContext: it ends with Run's; a stream that only goes elsewhere lets the Handler finish.
func TestHandlerContext(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds := serveFeeds(t)
	feeds.publish(1)
	require.Zero(t, FencingToken(t.Context()))

	started, finish, causes := make(chan uint64, 10), make(chan struct{}), make(chan error, 10)
	cfg := Config{KV: kv, Member: "a", LeaseTTL: time.Second, Handle: func(ctx context.Context, _ string, ev sse.Event) error {
		started <- FencingToken(ctx)
		select {
		case <-finish:
			return nil
		case <-ctx.Done():
			causes <- context.Cause(ctx)
			return ctx.Err()
		}
	}}
	stop := runMember(t, cfg, feeds.urls(2))
	require.NotEqual(t, <-started, <-started, "a token for each lease")

	count := newTally()
	other := counting(kv, "b", count)
	runMember(t, other, feeds.urls(2))
	eventually(t, 10*time.Second, "a leaves one to b", func() bool {
		status, err := ReadStatus(t.Context(), kv)
		require.NoError(t, err)
		return len(status.Members) == 2
	})
	time.Sleep(cfg.LeaseTTL) // and longer than that it waits for the Handler
	require.False(t, count.done(1, 1))
	require.Empty(t, causes)
	finish <- struct{}{}
	finish <- struct{}{}
	eventually(t, 10*time.Second, "one each", func() bool { return even(owners(t, kv), 2, 2) })
	feeds.publish(1)
	<-started
	eventually(t, 10*time.Second, "b goes on", func() bool { return count.done(1, 2) })
	require.Zero(t, count.repeats())

	require.ErrorIs(t, stop(), context.Canceled)
	require.ErrorIs(t, <-causes, context.Canceled)
}

// TestJunk: what is no record of a fleet is reported, and harms no other stream.
func TestJunk(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	urls := feeds.urls(3)
	_, err := kv.PutString(t.Context(), positionKey(urls[0]), "junk")
	require.NoError(t, err)
	_, err = kv.PutString(t.Context(), memberPrefix+"junk", "junk")
	require.NoError(t, err)
	failed := make(chan StreamInfo, 100)
	cfg := counting(kv, "a", count)
	cfg.Trace = &Trace{StreamError: func(info StreamInfo) { failed <- info }}
	runMember(t, cfg, urls)
	eventually(t, 10*time.Second, "the others handled", func() bool { return count.done(2, 1) })
	info := <-failed
	require.Equal(t, urls[0], info.Stream)
	require.ErrorContains(t, info.Err, "is no position")
	require.NoError(t, kv.Delete(t.Context(), positionKey(urls[0])))
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(3, 1) })
}
