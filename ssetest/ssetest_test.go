package ssetest_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// inAndOut runs a test in a bubble and in real time.
func inAndOut(t *testing.T, f func(t *testing.T)) {
	t.Run("in a bubble", func(t *testing.T) { synctest.Test(t, f) })
	t.Run("in real time", f)
}

// clock is a handler: a tick for each interval, and comments before them.
func clock(interval time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := 1; ; n++ {
			fmt.Fprintf(w, ": tick follows\nevent: tick\ndata: %d\nid: %d\n\n", n, n)
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(interval):
			}
		}
	}
}

func tick(n string) sse.Event { return sse.Event{Type: "tick", Data: n, LastEventID: n} }

// TestHours pass at once.
func TestHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, clock(time.Hour))
		client := sse.Client{HTTPClient: srv.Client()}
		start := time.Now()
		require.Len(t, ssetest.Take(t, client.Get(t.Context(), srv.URL()), 100), 100)
		require.Equal(t, 99*time.Hour, time.Since(start))
	})
}

// TestNoEvents: silence, for as long as one likes to wait, and the server can be used after it.
func TestNoEvents(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
			func(c *ssetest.Conn) { c.Write(": nothing\n\ndata: half"); c.Wait() },
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: "x"}) },
		)
		client := sse.Client{HTTPClient: srv.Client()}
		ssetest.NoEvents(t, client.Get(t.Context(), srv.URL()), 50*time.Millisecond)
		require.Equal(t, "x", ssetest.Take(t, client.Get(t.Context(), srv.URL()), 1)[0].Data)
		require.Equal(t, ": nothing\n\ndata: half", srv.Received()[0])
		ssetest.NoEvents(t, client.Get(t.Context(), srv.URL()), time.Millisecond) // 204
	})
	synctest.Test(t, func(t *testing.T) { // before the header
		srv := ssetest.NewScriptedServer(t, (*ssetest.Conn).Wait)
		start := time.Now()
		ssetest.NoEvents(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()), time.Hour)
		require.Equal(t, time.Hour, time.Since(start))
	})
}

// TestPatience: each event has a time limit of its own.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, clock(7*24*time.Hour-time.Second))
		start := time.Now()
		ssetest.Take(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()), 4)
		require.Greater(t, time.Since(start), 2*7*24*time.Hour)
	})
}
