package fleet

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestDefaults: what a Config leaves out is what its documentation says.
func TestDefaults(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	defaults := func(cfg Config) *fleet {
		cfg.KV, cfg.Handle = kv, func(context.Context, string, sse.Event) error { return nil }
		f, err := newFleet(cfg, nil)
		require.NoError(t, err)
		return f
	}
	f := defaults(Config{Member: "a"})
	require.Equal(t, 15*time.Second, f.cfg.LeaseTTL)
	require.Equal(t, 10*time.Second, f.cfg.Drain)
	require.Equal(t, 5*time.Second, f.cfg.Rejoin)
	require.Equal(t, 5, f.cfg.GiveBack)
	require.Equal(t, 16, f.hosts.limit)
	require.Equal(t, CommitPolicy{Events: 1}, f.cfg.Commit)
	require.Equal(t, 3*time.Second, f.store.patience)
	require.NotNil(t, f.cfg.Client)
	require.Empty(t, f.list.streams)

	f = defaults(Config{LeaseTTL: minLeaseTTL, Drain: -1, GiveBack: -1, OpensPerHost: 3, Commit: CommitPolicy{Interval: time.Minute}})
	require.Regexp(t, `^.+-[A-Z2-7]{8}$`, f.cfg.Member, "the host's name and a random part")
	require.NotEqual(t, f.cfg.Member, defaults(Config{}).cfg.Member)
	require.Zero(t, f.cfg.Rejoin, "no process has the same name")
	require.Zero(t, f.cfg.Drain)
	require.Equal(t, -1, f.cfg.GiveBack)
	require.Equal(t, 3, f.hosts.limit)
	require.Equal(t, CommitPolicy{Interval: time.Minute}, f.cfg.Commit)
	require.Equal(t, minLeaseTTL/3, f.store.patience)

	require.Zero(t, defaults(Config{Member: "a", Rejoin: -1}).cfg.Rejoin)
	require.Equal(t, time.Minute, defaults(Config{Member: "a", Rejoin: time.Minute}).cfg.Rejoin)
	require.Zero(t, epoch(nil), "a bucket of another kind has no epoch")
}

// TestPositionsByName: they come in the order of their streams' names, as Status has them.
func TestPositionsByName(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	names := []string{"h", "c", "b", "g", "a", "f", "e", "d"}
	for _, name := range names {
		require.NoError(t, SetPosition(t.Context(), kv, name, "id of "+name))
	}
	all, err := Positions(t.Context(), kv)
	require.NoError(t, err)
	slices.Sort(names)
	for i, name := range names {
		require.Equal(t, name, all[i].Stream)
		require.Equal(t, "id of "+name, all[i].LastEventID)
	}
	status, err := ReadStatus(t.Context(), kv)
	require.NoError(t, err)
	for i, name := range names {
		require.Equal(t, name, status.Streams[i].Stream)
	}
}
