package fleet

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// bareWorker returns a worker that has a configuration, and neither a lease nor a stream.
func bareWorker(t *testing.T, cfg Config) *worker {
	m := &member{fleet: &fleet{cfg: cfg}, unreachable: make(chan *worker, 100)}
	return &worker{member: m, ctx: t.Context()}
}

// TestGiveBackLimit: a stream is given back after so many failures, and not one earlier; a
// negative number means never.
func TestGiveBackLimit(t *testing.T) {
	for limit, want := range map[int]int{-1: 0, 1: 5, 2: 4, 5: 1, 6: 0} {
		w := bareWorker(t, Config{GiveBack: limit})
		for range 5 {
			w.failedToOpen()
		}
		require.Len(t, w.unreachable, want, "GiveBack %d", limit)
	}
}

// TestResumeTwice: a stream that is opened again continues after what was handled, committed
// or not, whatever its request says.
func TestResumeTwice(t *testing.T) {
	p := &position{w: bareWorker(t, Config{Commit: CommitPolicy{Events: 100}})}
	resume := func() string {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Header.Set("Last-Event-ID", "3")
		p.resume(req)
		return req.Header.Get("Last-Event-ID")
	}
	require.Equal(t, "3", resume())
	require.NoError(t, p.handled("5"))
	require.Equal(t, "5", resume())
	require.True(t, p.moved(), "it is still to be committed")
}

// TestSpread: streams are spread over members, whatever their number.
func TestSpread(t *testing.T) {
	for _, members := range []int{2, 3, 4, 8} {
		counts := make([]int, members)
		for i := range 1000 {
			n := spread(leaseKey(fmt.Sprint(i)))
			require.GreaterOrEqual(t, n, 0)
			counts[n%members]++
		}
		for _, n := range counts {
			require.InDelta(t, 1000/members, n, 100)
		}
	}
}

// TestNoClaims: a member that can claim no stream ends its session, so that others take all.
func TestNoClaims(t *testing.T) {
	for err, ends := range map[error]bool{errRecreated: true, nats.ErrPermissionViolation: true, nats.ErrTimeout: false} {
		synctest.Test(t, func(t *testing.T) {
			m := stillMember(t, testView("a"))
			m.kv = testStore(nil)
			m.session.ctx, m.end = context.WithCancelCause(t.Context())
			w := newWorker(t.Context(), m, leaseKey("a"), lease{}, 1)
			require.True(t, w.notAcquired(entry{}, err), "it counts as a failure")
			require.Equal(t, ends, m.session.ctx.Err() != nil, err)
			if ends {
				require.ErrorIs(t, context.Cause(m.session.ctx), ErrLeaseLost)
				require.ErrorIs(t, context.Cause(m.session.ctx), err)
			}
		})
	}
}

// unreleasable is a bucket that is gone when a lease is given back.
type unreleasable struct{ jetstream.KeyValue }

func (unreleasable) Delete(context.Context, string, ...jetstream.KVDeleteOpt) error {
	return jetstream.ErrBucketNotFound
}

// TestReleaseFails: a lease that could not be given back counts as lost, with the cause.
func TestReleaseFails(t *testing.T) {
	m := stillMember(t, testView("a"))
	m.session.ctx, m.kv = t.Context(), testStore(unreleasable{})
	w := newWorker(t.Context(), m, leaseKey("a"), lease{}, 1)
	_, err := w.release(entry{key: w.key, revision: 1}, ending{})
	require.ErrorIs(t, err, ErrLeaseLost)
	require.ErrorIs(t, err, jetstream.ErrBucketNotFound)
}
