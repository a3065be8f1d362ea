package record

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/internal/recording"
)

// serve serves a handler on a network in memory until the test ends, and returns the
// transport to it.
func serve(t *testing.T, h http.Handler, http2 bool) *http.Transport {
	l := memnet.Listen()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	srv := &http.Server{Handler: h, Protocols: protocols}
	go srv.Serve(l)
	tr := &http.Transport{DialContext: l.DialContext, Protocols: protocols}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		srv.Close()
	})
	return tr
}

// follow reads a stream to its end, or for a time, through a Recorder, and returns the
// recording.
func follow(t *testing.T, tr *http.Transport, limit time.Duration) string {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var file strings.Builder
	r := New(&file, Options{Redact: true}, func(err error) { t.Error(err) })
	client := &sse.Client{
		HTTPClient: &http.Client{Transport: r.Transport(tr)},
		Reconnect:  sse.Transient,
		NewBackoff: func(time.Duration) sse.Backoff { return backoff.NewConstantBackOff(time.Second) },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sse.test/feed?a=1", nil)
	require.NoError(t, err)
	for range client.Events(req) {
	}
	r.Close()
	return file.String()
}

// generate makes a recording of a stream over several connections, each of which the server
// ends, cuts or refuses, and a last one that ends the stream.
func generate(rnd *rand.Rand, framing recording.Framing) *recording.Recording {
	r := new(recording.Recording)
	at, id := time.Duration(0), 0
	conns := 1 + rnd.IntN(4)
	for conn := range conns + 1 {
		add := func(s recording.Step) {
			s.At, s.Conn = at, conn+1
			r.Steps = append(r.Steps, s)
		}
		pause := func() { at += time.Duration(1+rnd.IntN(5000)) * 10 * time.Millisecond }
		add(recording.Step{Kind: recording.Connect, Name: http.MethodGet, Value: "/feed?a=1"})
		if id > 0 {
			add(recording.Step{Kind: recording.Header, Name: "Last-Event-Id", Value: strconv.Itoa(id)})
		}
		pause()
		switch {
		case conn == conns:
			add(recording.Step{Kind: recording.Status, Code: http.StatusNoContent})
			add(recording.Step{Kind: recording.End})
			continue
		case rnd.IntN(10) == 0:
			add(recording.Step{Kind: recording.Drop}) // before there is a header
			continue
		}
		status := recording.Step{Kind: recording.Status, Code: http.StatusOK, Framing: framing}
		refused := rnd.IntN(8) == 0
		if refused {
			status.Code = http.StatusServiceUnavailable
		}
		add(status)
		add(recording.Step{Kind: recording.Header, Name: "Content-Type", Value: "text/event-stream; charset=utf-8"})
		add(recording.Step{Kind: recording.Header, Name: "X-Two", Value: "b"})
		add(recording.Step{Kind: recording.Header, Name: "X-Two", Value: "a"})
		drop := rnd.IntN(2) == 0
		var body strings.Builder
		for range rnd.IntN(6) {
			if refused {
				fmt.Fprintf(&body, "try later\n")
				continue
			}
			id++
			fmt.Fprintf(&body, "id: %d\ndata: %s\n\n", id, strings.Repeat("é", rnd.IntN(40)))
		}
		if drop {
			fmt.Fprintf(&body, "data: ha")
		}
		if framing == recording.Length {
			n := body.Len()
			if drop {
				n += 1 + rnd.IntN(10)
			}
			add(recording.Step{Kind: recording.Header, Name: "Content-Length", Value: strconv.Itoa(n)})
		}
		for rest := body.String(); rest != ""; {
			n := min(len(rest), 1+rnd.IntN(60))
			switch {
			case refused: // which no client reads slowly
				at += 100 * time.Millisecond
			case framing != recording.Chunked, rnd.IntN(2) == 0:
				pause()
			}
			add(recording.Step{Kind: recording.Bytes, Value: rest[:n]})
			rest = rest[n:]
		}
		if !refused {
			pause()
		}
		if drop && !(framing == recording.Length && body.Len() == 0) {
			add(recording.Step{Kind: recording.Drop})
		} else {
			add(recording.Step{Kind: recording.End})
		}
	}
	return r
}

// TestAgain: what is recorded of a replayed recording is that recording.
func TestAgain(t *testing.T) {
	for _, framing := range []recording.Framing{recording.Chunked, recording.Length, recording.Close, recording.HTTP2} {
		t.Run(string(framing), func(t *testing.T) {
			if framing == recording.HTTP2 && strings.HasPrefix(runtime.Version(), "go1.25") {
				t.Skip("net/http's HTTP/2 server does not run in several bubbles before Go 1.26")
			}
			for seed := range uint64(40) {
				original := generate(rand.New(rand.NewPCG(seed, 0)), framing)
				play := func(r *recording.Recording) (text string) {
					synctest.Test(t, func(t *testing.T) {
						text = follow(t, serve(t, recording.NewPlayer(r), framing == recording.HTTP2), 24*time.Hour)
					})
					return text
				}
				first := play(original)
				read, err := recording.Read(strings.NewReader(first))
				require.NoError(t, err)
				require.Equal(t, body(original), body(read), "seed %d:\n%s", seed, first)
				second, err := recording.Read(strings.NewReader(play(read)))
				require.NoError(t, err)
				requireSame(t, read, second)
			}
		})
	}
}

// requireSame requires that two recordings have the same steps, each within 2 ms of the same
// time since its connection began: a reset waits for a moment.
func requireSame(t *testing.T, a, b *recording.Recording) {
	t.Helper()
	x, y := a.Connections(), b.Connections()
	require.Len(t, y, len(x))
	for i := range x {
		require.Len(t, y[i].Steps, len(x[i].Steps))
		for j, s := range x[i].Steps {
			other := y[i].Steps[j]
			require.InDelta(t, s.At-x[i].Steps[0].At, other.At-y[i].Steps[0].At, float64(2*time.Millisecond), s)
			other.At = s.At
			require.Equal(t, s, other)
		}
	}
}

// body returns the bytes of the responses, and their ends, a line each.
func body(r *recording.Recording) (lines []string) {
	for _, s := range r.Steps {
		switch s.Kind {
		case recording.Bytes, recording.End, recording.Drop:
			lines = append(lines, fmt.Sprintf("%d %s %q", s.Conn, s.Kind, s.Value))
		}
	}
	return lines
}
