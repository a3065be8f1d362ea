package ssetest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// Examples of tests. They are tests themselves, for an Example has no testing.T.

// TestHandler has a subtest for each thing that clients and proxies need. What the market
// does not do by design is left out, with the reason.
func TestMarketsHandler(t *testing.T) {
	ssetest.TestHandler(t, http.HandlerFunc(market),
		ssetest.WithoutIDs("prices are of the moment: what a client missed is worth nothing"),
		ssetest.WithoutProxies("our load balancer does not buffer"))
}

// market is a handler: a price at each full hour, a comment each minute to
// keep the stream alive, and a notice at closing time.
func market(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for n := 0; ; n++ {
		switch {
		case n == 8*60:
			fmt.Fprint(w, "event: closing\ndata: good night\n\n")
		case n%60 == 0 && n < 8*60:
			fmt.Fprintf(w, "id: %d\nevent: price\ndata: %d\n\n", n/60, 100+n/60)
		default:
			fmt.Fprint(w, ":\n")
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-minute.C:
		}
	}
}

// Await passes over what is of no interest: here, eight hours of prices.
func TestMarketCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, http.HandlerFunc(market))
		client := sse.Client{HTTPClient: srv.Client()}
		start := time.Now()
		notice := ssetest.Await(t, client.Get(t.Context(), srv.URL()), "closing")
		if notice.Data != "good night" || time.Since(start) != 8*time.Hour {
			t.Errorf("%q after %s", notice.Data, time.Since(start))
		}
	})
}

// Received shows what no client reports: comments, and how the fields were written.
func TestMarketKeepsTheStreamAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, http.HandlerFunc(market))
		client := sse.Client{HTTPClient: srv.Client(), IdleTimeout: 2 * time.Minute}
		ssetest.Take(t, client.Get(t.Context(), srv.URL()), 2)
		want := "id: 0\nevent: price\ndata: 100\n\n" + strings.Repeat(":\n", 59) + "id: 1\n"
		if received := srv.Received()[0]; !strings.HasPrefix(received, want) {
			t.Errorf("received %q", received)
		}
	})
}

// NoEvents waits, and is content with silence.
func TestMarketIsQuietAtNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, http.HandlerFunc(market))
		client := sse.Client{HTTPClient: srv.Client()}
		afterClosing := func(yield func(sse.Event, error) bool) {
			closed := false
			for ev, err := range client.Get(t.Context(), srv.URL()) {
				if (closed || err != nil) && !yield(ev, err) {
					return
				}
				closed = closed || ev.Type == "closing"
			}
		}
		ssetest.NoEvents(t, afterClosing, 24*time.Hour)
	})
}

// A Recorder's recording is the whole behaviour of a client: here, what it makes of a
// server that restarts.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: "a", LastEventID: "1"}); c.Abort() },
			func(c *ssetest.Conn) { c.Status(503, "restarting") },
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: "b", LastEventID: "2"}) },
		)
		rec := ssetest.NewRecorder()
		client := sse.Client{HTTPClient: srv.Client(), Trace: rec.Trace(), NewBackoff: constant}
		for range rec.Events(client.Get(t.Context(), srv.URL())) {
		}
		const want = `
sse-recording 1
0s         1 connect GET "/"
0s         1 status 200
0s         1 event message "a" id "1"
0s         1 drop # unexpected EOF; again in 1s
1s         2 connect GET "/"
1s         2 header Last-Event-Id "1"
1s         2 status 503
1s         2 header Content-Type "text/plain; charset=utf-8"
1s         2 bytes "restarting\n"
1s         2 end # sse: GET http://sse.test: 503 Service Unavailable: "restarting"; again in 1s
2s         3 connect GET "/"
2s         3 header Last-Event-Id "1"
2s         3 status 200
2s         3 event message "b" id "2"
2s         3 end # EOF; again in 1s
3s         4 connect GET "/"
3s         4 header Last-Event-Id "2"
3s         4 status 204
3s         4 end
# 3s end
`
		if got := "\n" + rec.String(); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// constant waits for the reconnection time, and no random part of it.
func constant(initial time.Duration) sse.Backoff { return backoff.NewConstantBackOff(initial) }
