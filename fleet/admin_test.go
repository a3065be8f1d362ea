package fleet

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// TestAdmin: a person moves positions, with members that run and without, and a member that
// has the stream resumes where it was told to.
func TestAdmin(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(5)
	urls := feeds.urls(2)
	ctx := t.Context()
	_, err := ReadPosition(ctx, kv, urls[0])
	require.ErrorIs(t, err, ErrUnknownStream)
	require.ErrorIs(t, Forget(ctx, kv, urls[0]), ErrUnknownStream)
	require.ErrorContains(t, Reopen(ctx, kv, urls[0]), "has not ended")
	require.ErrorContains(t, SetPosition(ctx, kv, urls[0], "a\x01"), `no Last-Event-ID header can carry "a\x01"`)
	require.Error(t, SetPosition(ctx, kv, urls[0], strings.Repeat("x", 9000)))
	require.NoError(t, SetPosition(ctx, kv, urls[0], "3"))

	cfg := counting(kv, "a", count)
	trace, seen := recordTrace()
	cfg.Trace = trace
	count.of(urls[0]).last = 3
	stop := runMember(t, cfg, urls)
	eventually(t, 10*time.Second, "handled", func() bool { return count.done(2, 5) })
	require.Zero(t, count.repeats(), "the first three of one stream are left out")
	eventually(t, 10*time.Second, "both have a position", func() bool {
		all, err := Positions(ctx, kv)
		require.NoError(t, err)
		return len(all) == 2
	})
	eventually(t, 10*time.Second, "committed", func() bool {
		p, err := ReadPosition(ctx, kv, urls[1])
		require.NoError(t, err)
		return p.LastEventID == "5" && p.Committed && p.Stream == urls[1] && !p.Time.IsZero()
	})

	require.NoError(t, SetPosition(ctx, kv, urls[0], "2"), "a member reads it, and nothing happens on it")
	eventually(t, 10*time.Second, "three again", func() bool { return count.repeats() == 3 })
	require.NoError(t, ResetPosition(ctx, kv, urls[1]))
	eventually(t, 10*time.Second, "five more", func() bool { return count.repeats() == 8 })
	lost := 0
	for _, info := range seen.of("released") {
		require.ErrorIs(t, info.Err, ErrLeaseLost)
		lost++
	}
	require.Equal(t, 2, lost)
	require.ErrorContains(t, Forget(ctx, kv, urls[0]), "is in a member's list")
	require.ErrorContains(t, Reopen(ctx, kv, urls[0]), "has not ended")

	feeds.finish()
	feeds.CloseClientConnections()
	eventually(t, 10*time.Second, "both ended", func() bool {
		status, err := ReadStatus(ctx, kv)
		require.NoError(t, err)
		return status.Streams[0].Ended && status.Streams[1].Ended
	})
	feeds.mu.Lock()
	feeds.end = false
	feeds.mu.Unlock()
	require.NoError(t, Reopen(ctx, kv, urls[0]))
	feeds.publish(1)
	eventually(t, 10*time.Second, "handled", func() bool { return len(count.missing(6)) == 1 })
	require.Error(t, stop())
	require.NoError(t, Forget(ctx, kv, urls[0]))
	_, err = ReadPosition(ctx, kv, urls[0])
	require.ErrorIs(t, err, ErrUnknownStream)
	require.ErrorIs(t, Forget(ctx, kv, urls[0]), ErrUnknownStream)
	status, err := ReadStatus(ctx, kv)
	require.NoError(t, err)
	require.Len(t, status.Streams, 1)
}

// TestPositionsWhileWritten: a position that is written again while the bucket is read is
// among those that were read.
func TestPositionsWhileWritten(t *testing.T) {
	const streams = 20
	kv := newBucket(t, startNode(t, server.Options{}).ClientURL(), 1)
	name := func(i int) string { return fmt.Sprint("stream ", i) }
	for i := range streams {
		require.NoError(t, SetPosition(t.Context(), kv, name(i), "0"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := w; ctx.Err() == nil; n += 4 {
				_ = SetPosition(ctx, kv, name(n%streams), strconv.Itoa(n))
			}
		})
	}
	defer writers.Wait()
	defer cancel()
	for range 200 {
		all, err := Positions(ctx, kv)
		require.NoError(t, err)
		require.Len(t, all, streams)
	}
}

// TestPositionsAfterDeletion: what was deleted last is not awaited, and not returned.
func TestPositionsAfterDeletion(t *testing.T) {
	kv := newBucket(t, startNode(t, server.Options{}).ClientURL(), 1)
	require.NoError(t, SetPosition(t.Context(), kv, "a", "1"))
	require.NoError(t, SetPosition(t.Context(), kv, "b", "1"))
	require.NoError(t, Forget(t.Context(), kv, "b"))
	all, err := Positions(t.Context(), kv)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, "a", all[0].Stream)
	status, err := ReadStatus(t.Context(), kv)
	require.NoError(t, err)
	require.Len(t, status.Streams, 1)
}
