package load_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/load"
)

// whenOpen returns a context that ends, with a cause, when all streams of cfg are open.
func whenOpen(t *testing.T, cfg *load.Config, cause error) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	n := cfg.Streams
	cfg.Progress = func(s load.Snapshot) {
		if s.Open == n {
			cancel(cause)
		}
	}
	return ctx
}

// TestLoopback: the real network and the real clock. The server delays, drops, repeats after Kill, and
// stalls.
func TestLoopback(t *testing.T) {
	t.Parallel()
	const streams, delay = 100, 300 * time.Millisecond
	h := &hub{faults: faults{
		drop:   func(client int, n int64) bool { return client%10 == 0 && n%20 == 0 },
		delay:  func(client int, _ int64) time.Duration { return time.Duration(client%2) * delay },
		stall:  func(client int, n int64) bool { return client == 55 && n > 60 },
		replay: 3,
		retry:  50 * time.Millisecond,
	}}
	srv := httptest.NewServer(h)
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go h.publish(ctx, 50*time.Millisecond)
	r, err := load.Run(ctx, load.Config{
		URLs: []string{srv.URL}, Streams: streams, Ramp: 500 * time.Millisecond, Duration: 6 * time.Second,
		Request: asClient, Time: sentAt, Stall: 2 * time.Second,
		Kill: []load.Kill{{Fraction: 0.2, At: 2 * time.Second}},
	})
	cancel()
	require.NoError(t, err)
	assert.Equal(t, streams, r.Streams.Opened)
	assert.Equal(t, streams, r.Streams.Held)
	assert.Equal(t, 1, r.Sequence.Stalled, "%q %s", r.Sequence.Examples, r.Client.Bottleneck)
	// Ten clients miss one in 20 of what they read, which began and ended somewhere between two of those.
	published := float64(h.published())
	assert.InDelta(t, 10*published/20, r.Sequence.Missing, 15)
	assert.InDelta(t, 20*3, r.Sequence.Repeated, 8) // a stream that the server drops nothing of repeats three
	assert.Zero(t, r.Sequence.OutOfOrder)
	for _, d := range []time.Duration{r.Latency.Skew.P50, r.Latency.Event.P90} {
		assert.GreaterOrEqual(t, d, delay*9/10)
		if r.Client.Bottleneck == "" { // else the figures are those of a machine that is busy otherwise
			assert.LessOrEqual(t, d, delay*11/10+50*time.Millisecond)
		}
	}
	require.Len(t, r.Storms, 1)
	assert.Equal(t, 20, r.Storms[0].Dropped)
	assert.Equal(t, 20, r.Storms[0].Back)
	assert.Positive(t, r.Latency.Connect.P50)
	assert.Positive(t, r.Client.Files)
	assert.Empty(t, r.Stopped)
}

// TestSources: each connection comes from one of the addresses, in turn.
func TestSources(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8 without being asked")
	}
	var mu sync.Mutex
	from := make(map[string]int)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		mu.Lock()
		from[host]++
		mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	cfg := load.Config{
		URLs: []string{srv.URL}, Streams: 9,
		Sources: []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.4")},
	}
	_, err := load.Run(whenOpen(t, &cfg, nil), cfg)
	require.NoError(t, err)
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, map[string]int{"127.0.0.2": 3, "127.0.0.3": 3, "127.0.0.4": 3}, from)
}

// TestTLS: the time to connect includes TLS, and a certificate that is not trusted is the cause.
func TestTLS(t *testing.T) {
	t.Parallel()
	h := new(hub)
	srv := httptest.NewTLSServer(h)
	defer srv.Close()
	cfg := load.Config{URLs: []string{srv.URL}, Streams: 5}
	cfg.TLS = srv.Client().Transport.(*http.Transport).TLSClientConfig
	r, err := load.Run(whenOpen(t, &cfg, nil), cfg)
	require.NoError(t, err)
	assert.Equal(t, 5, r.Streams.Held)
	assert.EqualValues(t, 5, r.Latency.Connect.Count)

	cfg.TLS, cfg.Duration = nil, time.Minute
	r, err = load.Run(t.Context(), cfg)
	require.NoError(t, err)
	assert.Equal(t, 5, r.Streams.Refused)
	require.Len(t, r.Failures, 1)
	assert.Equal(t, "invalid certificate", r.Failures[0].What)
	assert.Less(t, r.Elapsed, cfg.Duration, "all are over")
}

// TestNobodyListens: the report says whose limit that is.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	ln.Close()
	r, err := load.Run(t.Context(), load.Config{URLs: []string{"http://user:secret@" + addr + "/?token=secret"}, Streams: 5, Duration: time.Minute})
	require.NoError(t, err)
	assert.Equal(t, load.Streams{Asked: 5, Refused: 5}, r.Streams)
	assert.Equal(t, "the server: connection refused (5 streams)", r.Stopped)
	assert.NotContains(t, r.URLs[0], "secret")
	require.Len(t, r.Failures, 1)
	assert.NotContains(t, r.Failures[0].Example, "secret")
}

// TestEnds: the run ends when its context does, and says so if that is before its time.
func TestEnds(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(new(hub))
	defer srv.Close()
	why := errors.New("enough")
	for _, duration := range []time.Duration{0, time.Hour} {
		cfg := load.Config{URLs: []string{srv.URL}, Streams: 3, Duration: duration}
		r, err := load.Run(whenOpen(t, &cfg, why), cfg)
		if duration == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, why)
		}
		assert.Equal(t, 3, r.Streams.Held)
		assert.Less(t, r.Elapsed, time.Hour)
	}
}
