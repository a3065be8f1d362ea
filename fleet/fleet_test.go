package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// runMember runs a member on this process. Stop ends it, and returns what Run did.
func runMember(t testing.TB, cfg Config, streams []string) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg, slices.Values(streams)) }()
	stopped := false
	stop = func() error {
		cancel()
		if stopped {
			return nil
		}
		stopped = true
		select {
		case err := <-ended:
			return err
		case <-time.After(30 * time.Second):
			return errors.New("the member does not end")
		}
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func counting(kv jetstream.KeyValue, name string, c *tally) Config {
	return Config{
		KV: kv, Member: name, LeaseTTL: time.Second,
		Handle: func(ctx context.Context, stream string, ev sse.Event) error {
			return c.add(name, stream, ev.LastEventID, FencingToken(ctx))
		},
	}
}

// even reports whether members have n streams to within one.
func even(spread map[string]int, members, n int) bool {
	sum := 0
	for _, streams := range spread {
		if streams < n/members || streams > (n+members-1)/members {
			return false
		}
		sum += streams
	}
	return len(spread) == members && sum == n
}

// owners returns how many streams each member has a lease on.
func owners(t testing.TB, kv jetstream.KeyValue) map[string]int {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	status, err := ReadStatus(ctx, kv)
	if err != nil {
		return nil // NATS is away
	}
	spread := make(map[string]int)
	for _, s := range status.Streams {
		if s.Member != "" {
			spread[s.Member]++
		}
	}
	return spread
}

// TestShares: streams are shared evenly as members come and go, and each event is handled once.
func TestShares(t *testing.T) {
	const streams = 50
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(3)

	var stops []func() error
	for i := range 3 {
		stops = append(stops, runMember(t, counting(kv, fmt.Sprint("m", i), count), feeds.urls(streams)))
		eventually(t, 10*time.Second, "even shares", func() bool { return even(owners(t, kv), i+1, streams) })
		feeds.publish(2)
	}
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(streams, 9) })

	require.ErrorIs(t, stops[1](), context.Canceled)
	took := eventually(t, time.Second, "the others take over", func() bool { return even(owners(t, kv), 2, streams) })
	t.Log("handed over in", took)
	feeds.publish(1)
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(streams, 10) })
	require.Zero(t, count.repeats(), "nobody was killed")
	require.Zero(t, count.gaps)
	require.Empty(t, count.late())
}

// TestEnd: a stream that ends with 204 has ended for the fleet, and for who comes later.
func TestEnd(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(5)
	feeds.finish()
	stop := runMember(t, counting(kv, "a", count), feeds.urls(4))
	eventually(t, 10*time.Second, "ended", func() bool {
		status, err := ReadStatus(t.Context(), kv)
		require.NoError(t, err)
		return len(status.Streams) == 4 && !slices.ContainsFunc(status.Streams, func(s StreamStatus) bool { return !s.Ended || s.LastEventID != "5" })
	})
	require.ErrorIs(t, stop(), context.Canceled)
	require.True(t, count.done(4, 5))

	later := counting(kv, "b", count)
	acquired, shared := make(chan StreamInfo, 10), make(chan RebalanceInfo, 10)
	later.Trace = &Trace{
		Acquired:   func(info StreamInfo) { acquired <- info },
		Rebalanced: func(info RebalanceInfo) { shared <- info },
	}
	stop = runMember(t, later, feeds.urls(4))
	require.Equal(t, RebalanceInfo{Members: 1, Lists: 1}, <-shared, "there is nothing to share")
	require.ErrorIs(t, stop(), context.Canceled)
	require.Empty(t, acquired)
}

// TestHandlerError: an event comes again until it is handled, and no other before it.
func TestHandlerError(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	cfg := counting(kv, "a", count)
	handle, fail := cfg.Handle, errors.New("not now")
	calls := make(chan string, 100)
	cfg.Handle = func(ctx context.Context, stream string, ev sse.Event) error {
		calls <- ev.LastEventID
		if ev.LastEventID == "2" && len(calls) < 4 {
			return fail
		}
		return handle(ctx, stream, ev)
	}
	failed := make(chan StreamInfo, 100)
	cfg.Trace = &Trace{HandlerError: func(info StreamInfo) { failed <- info }}
	runMember(t, cfg, feeds.urls(1))
	feeds.publish(3)
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(1, 3) })
	close(calls)
	var got []string
	for id := range calls {
		got = append(got, id)
	}
	require.Equal(t, []string{"1", "2", "2", "2", "3"}, got)
	require.Len(t, failed, 2)
	info := <-failed
	require.Equal(t, fail, info.Err)
	require.Equal(t, "2", info.Event.LastEventID)
	require.Positive(t, info.Delay)
	require.Zero(t, count.repeats())
}
