package fleet

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// TestTakeover: the streams of a member that ends continue at another one.
func TestTakeover(t *testing.T) {
	const (
		streams = 100
		commit  = 5
	)
	for _, end := range []struct {
		name    string
		signal  syscall.Signal
		ttl     time.Duration
		within  time.Duration
		repeats int
	}{
		{"SIGKILL", syscall.SIGKILL, 2 * time.Second, 4 * time.Second, streams * commit},
		{"SIGSTOP", syscall.SIGSTOP, 2 * time.Second, 4 * time.Second, streams * commit},
		{"SIGTERM", syscall.SIGTERM, 10 * time.Second, 6 * time.Second, 0}, // before any lease ends
	} {
		t.Run(end.name, func(t *testing.T) {
			_, natsURL := startCluster(t)
			kv := newBucket(t, natsURL, 3)
			feeds, count := serveFeeds(t), newTally()
			sink := serveSink(t, count)
			var fleet []*process
			for i := range 3 {
				fleet = append(fleet, startMember(t, fmt.Sprint("m", i), natsURL, sink, feeds, streams, end.ttl, commit))
			}
			eventually(t, 20*time.Second, "even shares", func() bool { return even(owners(t, kv), 3, streams) })
			feeds.publish(3)
			eventually(t, 20*time.Second, "all handled", func() bool { return count.done(streams, 3) })

			fleet[1].signal(end.signal)
			took := eventually(t, end.within, "takeover of all streams", func() bool {
				return even(count.owners(), 2, streams) && count.owners()["m1"] == 0
			})
			feeds.publish(3)
			caught := eventually(t, 10*time.Second, "all handled", func() bool { return count.done(streams, 6) })
			t.Logf("%v: taken over in %v, of a lease of %v; the next events %v later; %d handled again", end.signal, took, end.ttl, caught, count.repeats())
			require.LessOrEqual(t, count.repeats(), end.repeats)
			eventually(t, 5*time.Second, "the bucket says the same", func() bool { return even(owners(t, kv), 2, streams) }) // each replica, in time
			require.Zero(t, count.gaps)

			fleet[1].signal(syscall.SIGCONT) // the paused one takes part again, with a new lease
			if end.signal == syscall.SIGSTOP {
				eventually(t, 10*time.Second, "even shares", func() bool { return even(owners(t, kv), 3, streams) })
				feeds.publish(1)
				eventually(t, 10*time.Second, "all handled", func() bool { return count.done(streams, 7) })
			}
			require.Empty(t, count.late(), "nobody was in the middle of an event")
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
	cfg.Trace = &Trace{Released: func(info StreamInfo) { lost <- info.Err }}
	runMember(t, cfg, feeds.urls(streams))
	feeds.publish(2)
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(streams, 2) })

	opts.Port = node.Addr().(*net.TCPAddr).Port
	node.Shutdown()
	node.WaitForShutdown()
	feeds.publish(2)
	eventually(t, time.Second, "handled without NATS", func() bool { return count.done(streams, 4) })
	for range streams {
		require.ErrorIs(t, <-lost, ErrLeaseLost)
	}
	feeds.publish(2)
	time.Sleep(cfg.LeaseTTL)
	require.Len(t, count.missing(5), streams, "nothing is handled without a lease")

	startNode(t, opts)
	eventually(t, 20*time.Second, "all handled", func() bool { return count.done(streams, 6) })
	require.LessOrEqual(t, count.repeats(), 4*streams, "those that were not committed")
	require.Zero(t, count.gaps)
}

// TestPaused: what a member was handling when it was paused arrives late, and is refused by
// its token; the position that another one has committed since stays.
func TestPaused(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	held, release := make(chan bool, 1), make(chan bool)
	sink := serveSinkAfter(t, count, func(member, id string) {
		if member == "m0" && id == "2" {
			held <- true
			<-release
		}
	})
	paused := startMember(t, "m0", node.ClientURL(), sink, feeds, 2, time.Second, 1)
	startMember(t, "m1", node.ClientURL(), sink, feeds, 2, time.Second, 1)
	eventually(t, 10*time.Second, "one each", func() bool { return even(owners(t, kv), 2, 2) && count.done(2, 1) })
	feeds.publish(1)
	<-held
	paused.signal(syscall.SIGSTOP)
	feeds.publish(2)
	eventually(t, 10*time.Second, "the other continues both", func() bool { return count.done(2, 4) })
	require.Empty(t, count.late())
	release <- true
	paused.signal(syscall.SIGCONT)
	eventually(t, 10*time.Second, "one each", func() bool { return even(owners(t, kv), 2, 2) && len(count.late()) == 1 })
	require.Equal(t, "m0", count.late()[0].member)
	feeds.publish(1)
	eventually(t, 10*time.Second, "all handled", func() bool { return count.done(2, 5) })
	require.Zero(t, count.gaps)
	require.Zero(t, count.repeats(), "what was refused does not count")
}

// TestUnknownOwner: a lease is free after a TTL if its owner has no record.
func TestUnknownOwner(t *testing.T) {
	node := startNode(t, server.Options{})
	for i, session := range []string{"ABC", "no name of a session"} {
		kv, _, _ := makeBucket(t, node.ClientURL(), jetstream.KeyValueConfig{Bucket: fmt.Sprint(i)})
		feeds, count := serveFeeds(t), newTally()
		feeds.publish(1)
		url := feeds.urls(1)[0]
		_, err := kv.Put(t.Context(), leaseKey(url), encode(leaseRecord{Stream: url, Session: session}))
		require.NoError(t, err)
		began := time.Now()
		runMember(t, counting(kv, "a", count), []string{url})
		eventually(t, 10*time.Second, "handled", func() bool { return count.done(1, 1) })
		require.Greater(t, time.Since(began), time.Second, "the owner might have lived")
	}
}

// TestFenced: a member whose record is deleted has lost its leases, and gets them anew.
func TestFenced(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	cfg := counting(kv, "a", count)
	lost, tokens, committed := make(chan error, 10), make(chan uint64, 10), make(chan string, 10)
	cfg.Trace = &Trace{
		Acquired:  func(info StreamInfo) { tokens <- info.Token },
		Committed: func(info StreamInfo) { committed <- info.LastEventID },
		Released:  func(info StreamInfo) { lost <- info.Err },
	}
	runMember(t, cfg, feeds.urls(1))
	require.Equal(t, "1", <-committed)
	keys, err := kv.ListKeysFiltered(t.Context(), memberPrefix+"*")
	require.NoError(t, err)
	require.NoError(t, kv.Delete(t.Context(), <-keys.Keys()))
	require.ErrorIs(t, <-lost, ErrLeaseLost)
	require.Less(t, <-tokens, <-tokens)
	feeds.publish(1)
	eventually(t, 10*time.Second, "handled", func() bool { return count.done(1, 2) })
	require.Zero(t, count.repeats())
}
