package fleet

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestValidity: a member whose leases may be over hands out no event and commits nothing, even if
// nothing has ended its session yet: its process was paused.
func TestValidity(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	calls := 0
	f, err := newFleet(Config{KV: kv, LeaseTTL: time.Minute, Handle: func(context.Context, string, sse.Event) error {
		calls++
		return nil
	}}, nil)
	require.NoError(t, err)
	require.NoError(t, f.checkBucket(t.Context()))
	s := f.newSession(t.Context())
	s.record = memberRecord{Member: "a", TTL: s.ttl}
	before := time.Now()
	require.NoError(t, s.begin(t.Context()))
	defer s.close(t.Context())

	require.Equal(t, 57*time.Second, s.until.Sub(s.sent), "a twentieth before the TTL")
	require.WithinRange(t, s.sent, before, time.Now())
	require.LessOrEqual(t, s.next(), 20*time.Second, "three renewals in a TTL")
	s.sent = time.Now()
	require.Greater(t, s.next(), 15*time.Second)
	require.True(t, s.valid())

	open := func() (*worker, *position) {
		w := newWorker(t.Context(), &member{fleet: f, session: s}, leaseKey("a"), lease{}, 1)
		w.stream = "a"
		p, err := w.openPosition(s.epoch)
		require.NoError(t, err)
		p.resume(httptest.NewRequest(http.MethodGet, "/", nil))
		return w, p
	}
	w, p := open()
	require.NoError(t, w.handle(sse.Event{LastEventID: "1"}))
	require.NoError(t, p.handled("1"))
	require.Equal(t, 1, calls)
	require.NoError(t, p.close())
	require.NoError(t, p.close(), "once more, nothing is left")

	w, p = open()
	w.fleet.cfg.Commit = CommitPolicy{Interval: time.Minute}
	require.NoError(t, p.handled("1"), "without an ID of its own")
	p.since = p.since.Add(-time.Hour)
	require.NoError(t, p.handled("2"))
	require.Equal(t, "2", p.record.LastEventID, "it was due, before the next event is handled")
	w.fleet.cfg.Commit = CommitPolicy{Events: 1}
	require.NoError(t, p.handled("1"))
	require.NoError(t, p.close())

	w, p = open()
	s.until = time.Now()
	require.False(t, s.valid())
	require.ErrorIs(t, w.handle(sse.Event{LastEventID: "2"}), ErrLeaseLost)
	require.ErrorIs(t, context.Cause(w.ctx), ErrLeaseLost, "the stream is over")
	require.Equal(t, 1, calls)
	require.ErrorIs(t, p.handled("2"), ErrLeaseLost)
	require.ErrorIs(t, p.close(), ErrLeaseLost)
	w, p = open()
	require.ErrorIs(t, p.close(), ErrLeaseLost, "even with nothing to commit")
	_ = w
	found, err := ReadPosition(t.Context(), kv, "a")
	require.NoError(t, err)
	require.Equal(t, "1", found.LastEventID)

	s.until = time.Now().Add(time.Hour)
	require.True(t, s.valid())
	s.end(lost(nil))
	require.False(t, s.valid(), "it has ended")
}

// TestLate: a renewal that took longer than the lease renews nothing.
func TestLate(t *testing.T) {
	node := startNode(t, server.Options{})
	newBucket(t, node.ClientURL(), 1)
	kv, err := js(t, slowNATS(t, node, 400*time.Millisecond)).KeyValue(t.Context(), "fleet")
	require.NoError(t, err)
	cfg := counting(kv, "a", newTally())
	cfg.LeaseTTL = 300 * time.Millisecond
	trace, seen := recordTrace()
	cfg.Trace = trace
	stop := runMember(t, cfg, []string{"http://127.0.0.1:1"})
	eventually(t, 20*time.Second, "reported", func() bool { return len(seen.trouble("renew")) > 2 })
	require.ErrorContains(t, seen.trouble("renew")[0].Err, "too long for a LeaseTTL of 300ms")
	require.ErrorIs(t, stop(), context.Canceled)
}

// TestWaits: waits double from the least to the most, within a half.
func TestWaits(t *testing.T) {
	for range 100 {
		wait := newWait(pause, maxPause)
		for _, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
			d := wait.NextBackOff()
			require.GreaterOrEqual(t, d, want*time.Millisecond/2)
			require.LessOrEqual(t, d, want*time.Millisecond*3/2)
		}
	}
}

// TestClasses: which errors waiting cures, which a person, and which nothing.
func TestClasses(t *testing.T) {
	code := func(n jetstream.ErrorCode) error { return &jetstream.APIError{ErrorCode: n} }
	for _, test := range []struct {
		err                        error
		fatal, hopeless, permanent bool
	}{
		{nats.ErrConnectionClosed, true, false, false},
		{jetstream.ErrBucketNotFound, true, false, false},
		{lost(jetstream.ErrStreamNotFound), true, false, false},
		{jetstream.ErrInvalidKey, false, true, false},
		{nats.ErrMaxPayload, false, false, true},
		{nats.ErrPermissionViolation, false, false, true},
		{code(10054), false, false, true},
		{code(10077), false, false, true},
		{code(10002), false, false, true},
		{code(10047), false, false, true},
		{code(10023), false, false, false},
		{context.DeadlineExceeded, false, false, false},
		{nats.ErrTimeout, false, false, false},
		{errors.New("anything"), false, false, false},
		{jetstream.ErrKeyExists, false, false, false},
	} {
		require.Equal(t, test.fatal, fatal(test.err), test.err)
		require.Equal(t, test.hopeless, hopeless(test.err), test.err)
		require.Equal(t, test.permanent, permanent(test.err), test.err)
	}
	require.Equal(t, ErrLeaseLost, lost(nil))
	twice := lost(lost(nats.ErrTimeout))
	require.ErrorIs(t, twice, nats.ErrTimeout)
	require.EqualError(t, twice, "fleet: the lease is lost: nats: timeout")
}
