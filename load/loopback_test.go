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
	"sync/atomic"
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

// TestLoopback: the real network and the real clock. The server drops, repeats after a resumption, and sends late.
// A hundred events are published once all streams are open, so that the counts are exact however busy the machine is.
func TestLoopback(t *testing.T) {
	const streams, events, delay = 50, 100, 300 * time.Millisecond
	ended := make([]atomic.Bool, streams)
	h := &hub{faults: faults{
		drop:   func(client int, n int64) bool { return client%10 == 0 && n%20 == 10 },
		delay:  func(client int, _ int64) time.Duration { return time.Duration(client%2) * delay },
		end:    func(client int, n int64) bool { return client%10 == 1 && n == 40 && !ended[client].Swap(true) },
		replay: 3,
		retry:  50 * time.Millisecond,
	}}
	srv := httptest.NewServer(h)
	defer srv.Close()
	const missing, repeated = streams / 10 * events / 20, streams / 10 * 3
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	publish := sync.OnceFunc(func() {
		go func() {
			for range events {
				time.Sleep(20 * time.Millisecond)
				h.append()
			}
		}()
	})
	var read int64
	r, err := load.Run(ctx, load.Config{
		URLs: []string{srv.URL}, Streams: streams, Ramp: 100 * time.Millisecond, Request: asClient, Time: sentAt, Stall: time.Minute,
		Progress: func(s load.Snapshot) {
			if s.Open == streams {
				publish()
			}
			if read += s.Events; read == streams*events-missing+repeated {
				cancel()
			}
		},
	})
	require.NoError(t, err)
	assert.Equal(t, load.Streams{Asked: streams, Opened: streams, Held: streams, Drops: streams / 10, Reconnects: streams / 10}, r.Streams)
	assert.EqualValues(t, missing, r.Sequence.Missing)
	assert.EqualValues(t, repeated, r.Sequence.Repeated)
	assert.Zero(t, r.Sequence.OutOfOrder)
	assert.Equal(t, streams/5, r.Sequence.Streams)
	assert.EqualValues(t, events, r.Latency.Skew.Count)
	for _, d := range []time.Duration{r.Latency.Skew.P50, r.Latency.Event.P90} {
		assert.GreaterOrEqual(t, d, delay*9/10)
		if r.Client.Bottleneck == "" { // else the figures are those of a machine that is busy otherwise
			assert.LessOrEqual(t, d, delay*11/10+50*time.Millisecond)
		}
	}
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
