package fleet

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// TestTakeover: the streams of a member that ends go on elsewhere.
func TestTakeover(t *testing.T) {
	const (
		streams = 100
		commit  = 5
		ttl     = 2 * time.Second
	)
	for _, end := range []struct {
		name    string
		signal  syscall.Signal
		within  time.Duration
		repeats int
	}{
		{"SIGKILL", syscall.SIGKILL, ttl + 2*time.Second, streams * commit},
		{"SIGSTOP", syscall.SIGSTOP, ttl + 2*time.Second, streams * commit},
		{"SIGTERM", syscall.SIGTERM, time.Second, 0},
	} {
		t.Run(end.name, func(t *testing.T) {
			node := startNode(t, server.Options{})
			kv := newBucket(t, node.ClientURL(), 1)
			feeds, count := serveFeeds(t), newTally()
			sink := serveSink(t, count)
			var fleet []*process
			for i := range 3 {
				fleet = append(fleet, startMember(t, fmt.Sprint("m", i), node.ClientURL(), sink, feeds, streams, ttl, commit))
			}
			eventually(t, 20*time.Second, "even shares", func() bool { return even(owners(t, kv), 3, streams) })
			feeds.publish(3)
			eventually(t, 20*time.Second, "all handled", func() bool { return count.done(streams, 3) })

			fleet[1].signal(end.signal)
			took := eventually(t, end.within, "takeover of all streams", func() bool {
				return even(owners(t, kv), 2, streams) && owners(t, kv)["m1"] == 0
			})
			feeds.publish(3)
			caught := eventually(t, 10*time.Second, "all handled", func() bool { return count.done(streams, 6) })
			t.Logf("%v: taken over in %v, of a lease of %v; the next events %v later; %d handled again", end.signal, took, ttl, caught, count.repeats())
			require.LessOrEqual(t, count.repeats(), end.repeats)
			require.Zero(t, count.gaps)

			fleet[1].signal(syscall.SIGCONT) // the paused one takes part again, with a new lease
			if end.signal == syscall.SIGSTOP {
				eventually(t, 10*time.Second, "even shares", func() bool { return even(owners(t, kv), 3, streams) })
				feeds.publish(1)
				eventually(t, 10*time.Second, "all handled", func() bool { return count.done(streams, 7) })
			}
			require.Empty(t, count.refused, "nobody was in the middle of an event")
		})
	}
}

// TestNATSAway: a member goes on until its lease is over, then waits for NATS.
func TestNATSAway(t *testing.T) {
	const streams = 10
	opts := server.Options{StoreDir: t.TempDir()}
	node := startNode(t, opts)
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	cfg := counting(kv, "a", count)
	cfg.LeaseTTL, cfg.Commit = 2*time.Second, CommitPolicy{Events: 1000}
	lost := make(chan error, 10*streams)
	cfg.Trace = &Trace{Lost: func(info StreamInfo) { lost <- info.Err }}
	stop := runMember(t, cfg, feeds.urls(streams))
	feeds.publish(2)
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(streams, 2) })

	opts.Port = node.Addr().(*net.TCPAddr).Port
	node.Shutdown()
	node.WaitForShutdown()
	feeds.publish(2)
	eventually(t, time.Second, "handled without NATS", func() bool { return count.done(streams, 4) })
	for range streams {
		require.Equal(t, ErrLeaseLost, <-lost)
	}
	feeds.publish(2)
	time.Sleep(cfg.LeaseTTL)
	require.False(t, count.done(1, 5), "nothing is handled without a lease")

	startNode(t, opts)
	eventually(t, 20*time.Second, "all handled", func() bool { return count.done(streams, 6) })
	require.LessOrEqual(t, count.repeats(), 4*streams, "those that were not committed")
	require.Zero(t, count.gaps)
	_ = stop
}
