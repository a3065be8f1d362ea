package fleet

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

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
