package ssetest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// first takes the first message of a test that has failed.
func first(t *testing.T, f *ssetest.FakeTB) string {
	t.Helper()
	message := f.First()
	require.NotEmpty(t, message, "the test has not failed")
	return message
}

// fails runs a test that should fail, in a bubble, and returns its first message.
func fails(t *testing.T, test func(t testing.TB)) (message string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := ssetest.NewFakeTB(t)
		f.Run(func() {
			defer f.End()
			test(f)
		})
		message = first(t, f)
	})
	return message
}

// TestFailures: what a failure says.
func TestFailures(t *testing.T) {
	get := func(t testing.TB, srv *ssetest.Server) func(func(sse.Event, error) bool) {
		client := sse.Client{HTTPClient: srv.Client(), NewBackoff: func(time.Duration) sse.Backoff { return backoff.NewConstantBackOff(time.Second) }}
		return client.Get(t.Context(), srv.URL())
	}
	two := func(c *ssetest.Conn) { c.Write(":hi\nid:1\ndata:a\n\n"); c.Abort() }
	stall := func(c *ssetest.Conn) { c.Write("data:b\n\n"); c.Wait() }

	require.Equal(t, `ssetest: want 3 events, got 2, then the stream ended without an error
events:
  event message "a" id "1"  (2 times)
connections:
  0s: GET /: 200 OK
    | :hi
    | id:1
    | data:a
    | 
    0s: unexpected EOF
  1s: GET /, Last-Event-ID: 1: 200 OK
    | :hi
    | id:1
    | data:a
    | 
    1s: unexpected EOF
  2s: GET /, Last-Event-ID: 1: 204 No Content
`, fails(t, func(t testing.TB) { ssetest.Take(t, get(t, ssetest.NewScriptedServer(t, two, two)), 3) }))

	require.Equal(t, `ssetest: want 2 events, got 1, then nothing for 168h0m0s
events:
  event message "b" id ""
connections:
  0s: GET /: 200 OK
    | data:b
    | 
`, fails(t, func(t testing.TB) { ssetest.Take(t, get(t, ssetest.NewScriptedServer(t, stall)), 2) }))

	// What ended a connection is shown, also before its header and within an event.
	require.Equal(t, `ssetest: want 1 events, got 0, then the stream ended without an error
events:
  none
connections:
  0s: GET /: 200 OK
    | data: half
    0s: unexpected EOF
  1s: GET /
    1s: EOF
  2s: GET /: 204 No Content
`, fails(t, func(t testing.TB) {
		half := func(c *ssetest.Conn) { c.Write("data: half"); c.Abort() }
		ssetest.Take(t, get(t, ssetest.NewScriptedServer(t, half, (*ssetest.Conn).Abort)), 1)
	}))

	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.Await(t, get(t, ssetest.NewScriptedServer(t, stall)), "e")
	}), `want an event of type "e", got 1 others, then nothing for 168h0m0s`)

	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.Take(t, get(t, ssetest.NewScriptedServer(t, func(c *ssetest.Conn) { c.Status(404, "no such feed") })), 1)
	}), `got 0, then the stream ended: sse: GET http://sse.test: 404 Not Found: "no such feed"`+"\nevents:\n  none\nconnections:\n  0s: GET /: 404 Not Found\n    | no such feed\n")

	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.NoEvents(t, get(t, ssetest.NewScriptedServer(t, stall)), time.Hour)
	}), "want no event within 1h0m0s, got one")
	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.NoEvents(t, get(t, ssetest.NewScriptedServer(t, func(c *ssetest.Conn) { c.Status(400, "") })), time.Hour)
	}), "want no event within 1h0m0s, got none, then the stream ended: sse: GET http://sse.test: 400 Bad Request")
	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.NoEvents(t, sse.Read(strings.NewReader("")), time.Hour)
	}), "NoEvents needs a Server of the same test")
	require.Equal(t, "ssetest: want 1 events, got 0, then the stream ended: broken\nevents:\n  none\n", fails(t, func(t testing.TB) {
		ssetest.Take(t, func(yield func(sse.Event, error) bool) { yield(sse.Event{}, errors.New("broken")) }, 1)
	}))
	require.Contains(t, fails(t, func(t testing.TB) {
		srv := ssetest.NewScriptedServer(t, func(c *ssetest.Conn) { c.Send(sse.Event{Data: "a\rb"}); c.Send(sse.Event{Data: "ok"}) })
		ssetest.Take(t, get(t, srv), 1)
	}), `ssetest: sse: an event's Data cannot hold '\r'`)
	require.Contains(t, fails(t, func(t testing.TB) {
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data:1\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(closeWait + time.Second) // does not watch the context
		}))
		ssetest.Take(t, get(t, srv), 1)
	}), "a handler continues 30s after its client left")
}

// TestUnfinishedEvents are never delivered: the kit writes nothing of its own.
func TestUnfinishedEvents(t *testing.T) {
	unfinished := func(c *ssetest.Conn) { c.Write("event: tick\nid: 1\ndata: a\n"); c.Wait() }
	get := func(t testing.TB) func(func(sse.Event, error) bool) {
		srv := ssetest.NewScriptedServer(t, unfinished)
		return (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL())
	}
	const shown = `connections:
  0s: GET /: 200 OK
    | event: tick
    | id: 1
    | data: a
    (the event is not finished: no empty line follows it)
`
	require.Equal(t, "ssetest: want 1 events, got 0, then nothing for 168h0m0s\nevents:\n  none\n"+shown,
		fails(t, func(t testing.TB) { ssetest.Take(t, get(t), 1) }))
	require.Equal(t, "ssetest: want an event of type \"tick\", got 0 others, then nothing for 168h0m0s\nevents:\n  none\n"+shown,
		fails(t, func(t testing.TB) { ssetest.Await(t, get(t), "tick") }))
	inAndOut(t, func(t *testing.T) { ssetest.NoEvents(t, get(t), 20*time.Millisecond) })

	// The other events of a stream do not change that, and neither does Until, which takes
	// the last block of a stream that ends cleanly.
	inAndOut(t, func(t *testing.T) {
		all := sse.Until(get(t), func(sse.Event) bool { return true })
		ssetest.NoEvents(t, all, 20*time.Millisecond)
	})
}

// TestFailuresAreShort, however much came.
func TestFailuresAreShort(t *testing.T) {
	client := func(srv *ssetest.Server) *sse.Client {
		return &sse.Client{HTTPClient: srv.Client(), NewBackoff: func(time.Duration) sse.Backoff { return backoff.NewConstantBackOff(61 * time.Minute) }}
	}
	lines := func(message string) int { return strings.Count(strings.TrimSuffix(message, "\n"), "\n") + 1 }

	heartbeats := fails(t, func(t testing.TB) {
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for n := 0; ; n++ {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, ": beat\n\n")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(17 * time.Second):
				case <-r.Context().Done():
					return
				}
			}
		}))
		ssetest.Take(t, client(srv).Get(t.Context(), srv.URL()), 1)
	})
	require.Equal(t, `ssetest: want 1 events, got 0, then nothing for 168h0m0s
events:
  none
connections:
  0s: GET /: 200 OK
    | : beat
    | 
    (these 2 lines 8192 times)
    (and 219080 bytes)
`, heartbeats)

	different := fails(t, func(t testing.TB) {
		srv := ssetest.NewScriptedServer(t, func(c *ssetest.Conn) {
			for n := range 1000 {
				c.Send(sse.Event{Data: fmt.Sprint(n)})
			}
			c.Write("data: " + strings.Repeat("x", 2000))
			c.Wait()
		})
		ssetest.Take(t, client(srv).Get(t.Context(), srv.URL()), 1001)
	})
	require.Equal(t, 100, lines(different))
	for _, line := range []string{`"0"`, "  … 971 lines are left out …", `"999"`, "    | data: 0\n", "    | data: 999\n", "x… and 1500 bytes", "not finished"} {
		require.Contains(t, different, line)
	}

	connections := fails(t, func(t testing.TB) {
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}))
		c := client(srv)
		c.Reconnect = sse.Transient
		ssetest.Await(t, c.Get(t.Context(), srv.URL()), "e")
	})
	require.Equal(t, 100, lines(connections))
	require.Contains(t, connections, "  167h45m0s: GET /: 503")
}
