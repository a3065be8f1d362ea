package fleet

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// troubled is a bucket in trouble: a real one, whose writes lose their answers or are refused, as
// when NATS elects a leader, and whose reads are answered by a replica that is behind.
type troubled struct {
	jetstream.KeyValue
	lose, refuse int // writes
	behind       bool
	seen         jetstream.KeyValueEntry // by that replica; nil: nothing
}

func (k *troubled) write(try func() error) error {
	if k.refuse > 0 {
		k.refuse--
		return jetstream.ErrKeyRevisionMismatch
	}
	err := try()
	if k.lose > 0 {
		k.lose--
		return context.DeadlineExceeded
	}
	return err
}

func (k *troubled) Create(ctx context.Context, key string, value []byte, opts ...jetstream.KVCreateOpt) (revision uint64, err error) {
	err = k.write(func() (err error) {
		revision, err = k.KeyValue.Create(ctx, key, value, opts...)
		return err
	})
	return revision, err
}

func (k *troubled) Update(ctx context.Context, key string, value []byte, last uint64) (revision uint64, err error) {
	err = k.write(func() (err error) {
		revision, err = k.KeyValue.Update(ctx, key, value, last)
		return err
	})
	return revision, err
}

func (k *troubled) Delete(ctx context.Context, key string, opts ...jetstream.KVDeleteOpt) error {
	return k.write(func() error { return k.KeyValue.Delete(ctx, key, opts...) })
}

func (k *troubled) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	switch {
	case !k.behind:
		return k.KeyValue.Get(ctx, key)
	case k.seen == nil:
		return nil, jetstream.ErrKeyNotFound
	}
	return k.seen, nil
}

func testStore(kv jetstream.KeyValue) store {
	return store{KeyValue: kv, patience: time.Second, trouble: func(TroubleInfo) {}}
}

// TestStore: what became of a write is known at its end, whatever went wrong.
func TestStore(t *testing.T) {
	node := startNode(t, server.Options{})
	real := newBucket(t, node.ClientURL(), 1)
	for _, test := range []struct {
		name    string
		trouble troubled
	}{
		{"none", troubled{}},
		{"answers are lost", troubled{lose: 2}},
		{"refused", troubled{refuse: 2}},
		{"refused, and a replica that has seen nothing", troubled{refuse: 2, behind: true}},
		{"answers are lost, and a replica that has seen nothing", troubled{lose: 2, behind: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			in := func() store { // the same trouble for each write
				trouble := test.trouble
				trouble.KeyValue = real
				return testStore(&trouble)
			}
			const key = "lease.key"
			one, err := in().put(ctx, op{}, key, []byte("one"), 0)
			require.NoError(t, err)
			two, err := in().put(ctx, op{}, key, []byte("two"), one.revision)
			require.NoError(t, err)
			require.Greater(t, two.revision, one.revision)
			there, err := real.Get(ctx, key)
			require.NoError(t, err)
			require.Equal(t, two, entryOf(there))

			for _, late := range []uint64{0, one.revision} { // somebody else was faster
				found, err := in().put(ctx, op{}, key, []byte("three"), late)
				require.Equal(t, errTaken, err)
				require.Equal(t, two, found)
			}
			found, err := in().del(ctx, op{}, key, one.revision)
			require.Equal(t, errTaken, err)
			require.Equal(t, two, found)

			gone, err := in().del(ctx, op{}, key, two.revision)
			require.NoError(t, err)
			require.True(t, gone.deleted)
			_, err = real.Get(ctx, key)
			require.ErrorIs(t, err, jetstream.ErrKeyNotFound, "it is really deleted")
			again, err := in().put(ctx, op{}, key, []byte("again"), 0)
			require.NoError(t, err)
			require.NoError(t, real.Delete(ctx, key))
			_, err = in().put(ctx, op{}, key, []byte("late"), again.revision)
			require.Equal(t, errTaken, err, "a deletion is a write, too")
		})
	}
}

// TestOldReplica: a replica that still has an older value proves nothing.
func TestOldReplica(t *testing.T) {
	node := startNode(t, server.Options{})
	real := newBucket(t, node.ClientURL(), 1)
	s := testStore(real)
	one, err := s.put(t.Context(), op{}, "lease.key", []byte("one"), 0)
	require.NoError(t, err)
	old, err := real.Get(t.Context(), "lease.key")
	require.NoError(t, err)
	two, err := s.put(t.Context(), op{}, "lease.key", []byte("two"), one.revision)
	require.NoError(t, err)
	s = testStore(&troubled{KeyValue: real, refuse: 1, behind: true, seen: old})
	three, err := s.put(t.Context(), op{}, "lease.key", []byte("three"), two.revision)
	require.NoError(t, err)
	require.Greater(t, three.revision, two.revision)
}

// TestHopelessWrite: what can never succeed is reported once, with no delay, and not tried again.
func TestHopelessWrite(t *testing.T) {
	node := startNode(t, server.Options{})
	s := testStore(newBucket(t, node.ClientURL(), 1))
	var reported []TroubleInfo
	s.trouble = func(info TroubleInfo) { reported = append(reported, info) }
	_, err := s.put(t.Context(), op{name: "claim", stream: "a"}, "no key", []byte("one"), 0)
	require.ErrorIs(t, err, jetstream.ErrInvalidKey)
	require.Equal(t, []TroubleInfo{{Op: "claim", Stream: "a", Err: err}}, reported)
}

// TestFence: from when a position is opened under a lease, nothing is committed under an earlier one.
func TestFence(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	f, err := newFleet(Config{KV: kv, Handle: counting(kv, "", newTally()).Handle}, nil)
	require.NoError(t, err)
	require.NoError(t, f.checkBucket(t.Context()))
	s := f.newSession(t.Context())
	s.record = memberRecord{Member: "a", TTL: s.ttl}
	require.NoError(t, s.begin(t.Context()))
	defer s.close(t.Context())
	m := &member{fleet: f, session: s}
	open := func(fence uint64) (*position, error) {
		w := newWorker(t.Context(), m, leaseKey("a"), lease{}, 1)
		w.stream = "a"
		p, err := w.openPosition(fence)
		if err == nil {
			p.resume(httptest.NewRequest(http.MethodGet, "/", nil))
		}
		return p, err
	}
	earlier, err := open(10)
	require.NoError(t, err)
	require.NoError(t, earlier.handled("1"))
	later, err := open(20)
	require.NoError(t, err)
	require.Equal(t, "1", later.record.LastEventID)
	require.True(t, s.valid(), "the member believes in its lease")
	require.ErrorIs(t, earlier.handled("2"), ErrLeaseLost)
	require.ErrorIs(t, earlier.close(), ErrLeaseLost)
	_, err = open(10)
	require.ErrorIs(t, err, errTaken, "and it does not get the position back")
	require.NoError(t, later.handled("3"))
	status, err := ReadStatus(t.Context(), kv)
	require.NoError(t, err)
	require.Equal(t, "3", status.Streams[0].LastEventID)
}

// silent is a watcher that sees nothing.
type silent struct{ updates chan jetstream.KeyValueEntry }

func (w silent) Updates() <-chan jetstream.KeyValueEntry { return w.updates }

func (w silent) Stop() error {
	close(w.updates)
	return nil
}

// hushed is a bucket whose first watchers are silent.
type hushed struct {
	jetstream.KeyValue
	watchers int
}

func (k *hushed) WatchFiltered(ctx context.Context, keys []string, opts ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	if k.watchers > 0 {
		k.watchers--
		return silent{make(chan jetstream.KeyValueEntry)}, nil
	}
	return k.KeyValue.WatchFiltered(ctx, keys, opts...)
}

// TestSilentWatch: a watch that brings nothing, not even the member's own record, is begun anew.
func TestSilentWatch(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := &hushed{newBucket(t, node.ClientURL(), 1), 2}
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	runMember(t, counting(kv, "a", count), feeds.urls(1))
	eventually(t, 10*time.Second, "handled", func() bool { return count.done(1, 1) })
}

// stuck is a bucket whose first watcher brings what is there, and nothing that comes.
type stuck struct {
	jetstream.KeyValue
	watchers atomic.Int32
}

type stuckWatcher struct {
	jetstream.KeyWatcher
	updates chan jetstream.KeyValueEntry
}

func (w stuckWatcher) Updates() <-chan jetstream.KeyValueEntry { return w.updates }

func (k *stuck) WatchFiltered(ctx context.Context, keys []string, opts ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	watcher, err := k.KeyValue.WatchFiltered(ctx, keys, opts...)
	if err != nil || !slices.Contains(keys, "$KV.fleet."+leasePrefix+"*") || k.watchers.Add(1) > 1 { // it has replaced the keys
		return watcher, err
	}
	w := stuckWatcher{watcher, make(chan jetstream.KeyValueEntry, 1)}
	go func() {
		defer close(w.updates)
		whole := false
		for e := range watcher.Updates() {
			if !whole {
				w.updates <- e
				whole = e == nil
			}
		}
	}()
	return w, nil
}

// TestStuckWatch: a watch that stops to bring what comes is begun anew.
func TestStuckWatch(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := &stuck{KeyValue: newBucket(t, node.ClientURL(), 1)}
	feeds, count := serveFeeds(t), newTally()
	feeds.publish(1)
	runMember(t, counting(kv, "a", count), feeds.urls(1))
	eventually(t, 20*time.Second, "handled", func() bool { return count.done(1, 1) })
	require.Greater(t, kv.watchers.Load(), int32(1))
}

// deaf is a bucket that loses the first writes, and answers late.
type deaf struct {
	jetstream.KeyValue
	lose atomic.Int32
}

func (k *deaf) Update(ctx context.Context, key string, value []byte, last uint64) (uint64, error) {
	if k.lose.Add(-1) >= 0 {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return k.KeyValue.Update(ctx, key, value, last)
}

// TestLostRequest: a write whose request was lost is tried again beside the first, long before that
// one is given up.
func TestLostRequest(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := &deaf{KeyValue: newBucket(t, node.ClientURL(), 1)}
	kv.lose.Store(maxTries - 1)
	s := testStore(kv)
	s.patience = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), tryTime-time.Second)
	defer cancel()
	_, err := s.put(ctx, op{}, "lease.key", []byte("value"), 0)
	require.NoError(t, err)
}
