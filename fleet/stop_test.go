package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestDrain: handlers that use their contexts finish when a member is stopped, and none of their
// events comes again.
func TestDrain(t *testing.T) {
	const streams = 50
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	var begun, cut atomic.Int32
	finish := make(chan bool)
	cfg := counting(kv, "a", count)
	handle := cfg.Handle
	cfg.Handle = func(ctx context.Context, stream string, ev sse.Event) error {
		begun.Add(1)
		select {
		case <-finish:
			return handle(ctx, stream, ev)
		case <-ctx.Done():
			cut.Add(1)
			return context.Cause(ctx)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg, slices.Values(feeds.urls(streams))) }()
	eventually(t, 10*time.Second, "all in hand", func() bool { return begun.Load() == streams })
	cancel()
	select {
	case <-ended:
		require.Fail(t, "Run does not wait for its handlers")
	case <-time.After(500 * time.Millisecond):
	}
	close(finish)
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Zero(t, cut.Load())
	require.True(t, count.done(streams, 1))

	feeds.publish(1)
	runMember(t, counting(kv, "b", count), feeds.urls(streams))
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(streams, 2) })
	require.Zero(t, count.repeats())
}

// TestDrainLimit: Run ends a few seconds after Drain, whatever hangs.
func TestDrainLimit(t *testing.T) {
	for _, test := range []struct {
		name  string
		drain time.Duration
		obeys bool // the handler ends with its context
		away  bool // NATS is
		most  time.Duration
	}{
		{"a handler that waits for its context", time.Second, true, false, 8 * time.Second},
		{"a handler that ignores its context", time.Second, false, false, 12 * time.Second},
		{"none", -1, true, false, 8 * time.Second},
		{"NATS is away", time.Second, true, true, 15 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			node := startNode(t, server.Options{})
			kv := newBucket(t, node.ClientURL(), 1)
			feeds := serveFeeds(t)
			feeds.publish(1)
			hang := make(chan bool)
			defer close(hang)
			began, causes := make(chan bool, 10), make(chan error, 10)
			cfg := Config{KV: kv, LeaseTTL: 15 * time.Second, Drain: test.drain, Handle: func(ctx context.Context, _ string, _ sse.Event) error {
				began <- true
				<-ctx.Done()
				causes <- context.Cause(ctx)
				if !test.obeys {
					<-hang
				}
				return ctx.Err()
			}}
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- Run(ctx, cfg, slices.Values(feeds.urls(1))) }()
			<-began
			if test.away {
				node.Shutdown()
				node.WaitForShutdown()
			}
			stopped, cause := time.Now(), errors.New("deploy")
			cancel(cause)
			select {
			case err := <-ended:
				require.Equal(t, cause, err)
				require.GreaterOrEqual(t, time.Since(stopped), test.drain, "not before")
				require.Equal(t, cause, <-causes)
			case <-time.After(test.most):
				require.Fail(t, "Run goes on")
			}
		})
	}
}

// TestSettle: Run waits for its handlers, too, if it ends because the connection to NATS was closed.
func TestSettle(t *testing.T) {
	node := startNode(t, server.Options{})
	kv, _, conn := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: "fleet"})
	feeds := serveFeeds(t)
	feeds.publish(1)
	began := make(chan bool, 1)
	var returned atomic.Bool
	cfg := Config{KV: kv, LeaseTTL: time.Second, Handle: func(ctx context.Context, _ string, _ sse.Event) error {
		began <- true
		<-ctx.Done()
		time.Sleep(300 * time.Millisecond)
		returned.Store(true)
		return context.Cause(ctx)
	}}
	ended := make(chan error, 1)
	go func() { ended <- Run(t.Context(), cfg, slices.Values(feeds.urls(1))) }()
	<-began
	conn.Close()
	require.True(t, fatal(<-ended))
	require.True(t, returned.Load())
}

// TestStopUncommitted: Run ends although what is handled cannot be committed: NATS is away.
func TestStopUncommitted(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	cfg := counting(kv, "a", count)
	cfg.LeaseTTL, cfg.Commit, cfg.Drain = time.Minute, CommitPolicy{Events: 100}, time.Second
	stop := runMember(t, cfg, feeds.urls(5))
	feeds.publish(1)
	eventually(t, 10*time.Second, "handled", func() bool { return count.done(5, 1) })
	node.Shutdown()
	node.WaitForShutdown()
	require.ErrorIs(t, stop(), context.Canceled)
}

// TestHungHandler: a handler that does not return keeps neither its member from the fleet after
// an outage of NATS, nor its stream from the other members.
func TestHungHandler(t *testing.T) {
	const streams = 20
	opts := server.Options{StoreDir: t.TempDir()}
	node := startNode(t, opts)
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	hang, hung := make(chan bool), make(chan string, 10)
	var once atomic.Bool
	cfg := counting(kv, "a", count)
	handle := cfg.Handle
	cfg.Handle = func(ctx context.Context, stream string, ev sse.Event) error {
		if once.CompareAndSwap(false, true) {
			hung <- stream
			<-hang
		}
		return handle(ctx, stream, ev)
	}
	trace, seen := recordTrace()
	cfg.Trace = trace
	runMember(t, cfg, feeds.urls(streams))
	stream := <-hung
	eventually(t, 10*time.Second, "all others handled", func() bool { return count.done(streams-1, 1) })
	opts.Port = node.Addr().(*net.TCPAddr).Port
	node.Shutdown()
	node.WaitForShutdown()
	eventually(t, 10*time.Second, "all others lost", func() bool { return len(seen.of("released")) == streams-1 })
	startNode(t, opts)
	feeds.publish(1)
	eventually(t, 20*time.Second, "all others handled", func() bool { return count.done(streams-1, 2) })

	other := counting(kv, "b", count)
	runMember(t, other, feeds.urls(streams))
	eventually(t, 20*time.Second, "the one handled by another member", func() bool { return count.done(streams, 2) })
	require.Equal(t, "b", func() string {
		status, err := ReadStatus(t.Context(), kv)
		require.NoError(t, err)
		i := slices.IndexFunc(status.Streams, func(s StreamStatus) bool { return s.Stream == stream })
		return status.Streams[i].Member
	}())
	close(hang)
	eventually(t, 20*time.Second, "even shares", func() bool { return even(owners(t, kv), 2, streams) })
	feeds.publish(1)
	eventually(t, 20*time.Second, "all handled", func() bool { return count.done(streams, 3) })
}

// TestPanic: a panic is an error of its event, or of its stream, and takes no member down.
func TestPanic(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(3)
	var requests, calls, prepared atomic.Int32
	cfg := counting(kv, "a", count)
	handle := cfg.Handle
	cfg.Handle = func(ctx context.Context, stream string, ev sse.Event) error {
		if ev.LastEventID == "2" && calls.Add(1) < 3 {
			panic("handler")
		}
		return handle(ctx, stream, ev)
	}
	cfg.Request = func(ctx context.Context, stream string) (*http.Request, error) {
		if requests.Add(1) == 1 {
			panic("request")
		}
		return http.NewRequestWithContext(ctx, http.MethodGet, stream, nil)
	}
	cfg.Client = &sse.Client{Prepare: func(*http.Request) error {
		if prepared.Add(1) == 1 {
			panic("prepare")
		}
		return nil
	}}
	trace, seen := recordTrace()
	cfg.Trace = trace
	runMember(t, cfg, feeds.urls(1))
	eventually(t, 20*time.Second, "all handled", func() bool { return count.done(1, 3) })
	require.Len(t, seen.of("handler"), 2)
	for i, info := range seen.of("handler") {
		require.Equal(t, i+1, info.Attempt)
		var p *PanicError
		require.ErrorAs(t, info.Err, &p)
		require.EqualError(t, p, "fleet: panic: handler")
		require.Contains(t, string(p.Stack), "TestPanic")
	}
	require.Len(t, seen.of("stream"), 2)
	require.EqualError(t, seen.of("stream")[0].Err, "fleet: panic: request")
	require.EqualError(t, seen.of("stream")[1].Err, "fleet: panic: prepare")
}

// TestGoexit: a handler that ends its goroutine has not handled its event.
func TestGoexit(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	var calls atomic.Int32
	cfg := counting(kv, "a", count)
	handle := cfg.Handle
	cfg.Handle = func(ctx context.Context, stream string, ev sse.Event) error {
		if calls.Add(1) == 1 {
			runtime.Goexit()
		}
		return handle(ctx, stream, ev)
	}
	stop := runMember(t, cfg, feeds.urls(1))
	eventually(t, 20*time.Second, "handled", func() bool { return count.done(1, 1) })
	require.ErrorIs(t, stop(), context.Canceled)
}

// TestPoison: an event that fails for ever is given to Poison, or stops its stream until it is reopened.
func TestPoison(t *testing.T) {
	node := startNode(t, server.Options{})
	bad, refuse := errors.New("bad"), errors.New("no dead letters")
	for i, test := range []struct {
		name   string
		poison func(calls *atomic.Int32) func(context.Context, string, sse.Event, error) error
		stops  error
	}{
		{"a dead letter", func(calls *atomic.Int32) func(context.Context, string, sse.Event, error) error {
			return func(_ context.Context, _ string, ev sse.Event, err error) error {
				if ev.LastEventID == "2" && errors.Is(err, bad) {
					calls.Add(1)
				}
				return nil
			}
		}, nil},
		{"refused", func(calls *atomic.Int32) func(context.Context, string, sse.Event, error) error {
			return func(context.Context, string, sse.Event, error) error {
				calls.Add(1)
				return refuse
			}
		}, refuse},
		{"a panic", func(calls *atomic.Int32) func(context.Context, string, sse.Event, error) error {
			return func(context.Context, string, sse.Event, error) error {
				calls.Add(1)
				panic("poison")
			}
		}, bad},
		{"none", func(calls *atomic.Int32) func(context.Context, string, sse.Event, error) error {
			calls.Add(1)
			return nil
		}, bad},
	} {
		t.Run(test.name, func(t *testing.T) {
			kv := bucketNamed(t, node, fmt.Sprint("b", i))
			feeds, count := serveFeeds(t), newTally()
			feeds.publish(3)
			var calls, attempts atomic.Int32
			var mended atomic.Bool
			cfg := counting(kv, "a", count)
			cfg.Commit.Events = 10
			handle := cfg.Handle
			cfg.Handle = func(ctx context.Context, stream string, ev sse.Event) error {
				if ev.LastEventID == "2" && !mended.Load() {
					attempts.Add(1)
					return bad
				}
				return handle(ctx, stream, ev)
			}
			cfg.MaxAttempts, cfg.Poison = 3, test.poison(&calls)
			trace, seen := recordTrace()
			cfg.Trace = trace
			runMember(t, cfg, feeds.urls(1))
			if test.stops == nil {
				eventually(t, 10*time.Second, "handled", func() bool { return len(count.missing(3)) == 0 && count.done(1, 3) })
				require.EqualValues(t, 1, calls.Load())
				require.EqualValues(t, 3, attempts.Load())
				require.Empty(t, seen.of("released"))
				require.Zero(t, seen.of("handler")[2].Delay, "after the last attempt there is none")
				return
			}
			eventually(t, 10*time.Second, "stopped", func() bool { return len(seen.of("released")) == 1 })
			require.EqualValues(t, 1, calls.Load())
			require.EqualValues(t, 3, attempts.Load())
			info := seen.of("released")[0]
			require.True(t, info.Ended)
			require.ErrorIs(t, info.Err, ErrStopped)
			require.ErrorIs(t, info.Err, test.stops)
			require.Equal(t, "1", info.LastEventID, "before the event")
			eventually(t, 10*time.Second, "status", func() bool {
				status, err := ReadStatus(t.Context(), kv)
				require.NoError(t, err)
				s := status.Streams[0]
				return s.Ended && s.Stopped != "" && !s.Unread && s.Member == ""
			})
			mended.Store(true)
			require.NoError(t, Reopen(t.Context(), kv, feeds.urls(1)[0]))
			eventually(t, 10*time.Second, "handled", func() bool { return count.done(1, 3) })
			require.Zero(t, count.repeats())
		})
	}
}

// TestHandlerTimeout: the context of a handler ends after its time. A handler that ignores that
// is reported.
func TestHandlerTimeout(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	var calls atomic.Int32
	hang := make(chan bool)
	cfg := counting(kv, "a", count)
	handle := cfg.Handle
	cfg.HandlerTimeout = 50 * time.Millisecond
	cfg.Handle = func(ctx context.Context, stream string, ev sse.Event) error {
		switch calls.Add(1) {
		case 1:
			<-ctx.Done()
			return ctx.Err()
		case 2:
			<-hang
		}
		return handle(ctx, stream, ev)
	}
	trace, seen := recordTrace()
	cfg.Trace = trace
	runMember(t, cfg, feeds.urls(1))
	eventually(t, 20*time.Second, "both reported", func() bool { return len(seen.of("handler")) == 2 })
	for i, info := range seen.of("handler") {
		require.ErrorIs(t, info.Err, ErrHandlerTimeout)
		require.Equal(t, i+1, info.Attempt)
	}
	close(hang)
	eventually(t, 20*time.Second, "handled", func() bool { return count.done(1, 1) })
}

// TestAnonymousEvents: events without an ID of their own count for Commit.Events.
func TestAnonymousEvents(t *testing.T) {
	node := startNode(t, server.Options{})
	for i, test := range []struct {
		name, body string
		want       []string
	}{
		{"before one that has an ID", "id: 1\ndata\n\n" + strings.Repeat("data\n\n", 1000) + "id: 2\ndata\n\n", []string{"1", "2"}},
		{"from the beginning", strings.Repeat("data\n\n", 20) + "id: 1\ndata\n\n", []string{"1"}},
		{"few", strings.Repeat("data\n\n", 3) + "id: 1\ndata\n\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			kv := bucketNamed(t, node, fmt.Sprint("b", i))
			url, _ := respond(t, test.body)
			var handled atomic.Int32
			trace, seen := recordTrace()
			cfg := Config{KV: kv, LeaseTTL: time.Second, Commit: CommitPolicy{Events: 5}, Trace: trace, Handle: func(context.Context, string, sse.Event) error {
				handled.Add(1)
				return nil
			}}
			runMember(t, cfg, []string{url})
			eventually(t, 20*time.Second, "handled", func() bool { return int(handled.Load()) == strings.Count(test.body, "data") })
			ids := func() (ids []string) {
				for _, info := range seen.of("committed") {
					ids = append(ids, info.LastEventID)
				}
				return ids
			}
			eventually(t, 5*time.Second, "committed", func() bool { return len(ids()) >= len(test.want) })
			require.Equal(t, test.want, ids())
		})
	}
}
