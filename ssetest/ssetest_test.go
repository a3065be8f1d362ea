package ssetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// inAndOut runs a test in a bubble and in real time.
func inAndOut(t *testing.T, f func(t *testing.T)) {
	t.Run("in a bubble", func(t *testing.T) { synctest.Test(t, f) })
	t.Run("in real time", f)
}

// clock is a handler of one's own: a tick for each interval, and comments before them.
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

var regexpJitter = regexp.MustCompile(`7(\.\d+)?s`)

func tick(n string) sse.Event { return sse.Event{Type: "tick", Data: n, LastEventID: n} }

func TestServe(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := ssetest.Serve(t, clock(20*time.Millisecond))
		client := sse.Client{HTTPClient: srv.Client()}
		events := client.Get(t.Context(), srv.URL()+"/clock?z=utc")
		require.Equal(t, []sse.Event{tick("1"), tick("2"), tick("3")}, ssetest.Take(t, events, 3))
		require.Equal(t, tick("1"), ssetest.Await(t, events, "tick"))
		require.Empty(t, ssetest.Take(t, events, 0))

		require.Len(t, srv.Requests(), 2)
		require.Equal(t, "z=utc", srv.Requests()[0].URL.RawQuery)
		require.True(t, strings.HasPrefix(srv.Sent()[0], ": tick follows\nevent: tick\ndata: 1\nid: 1\n\n: tick follows\n"), srv.Sent()[0])
	})
}

// TestHours pass at once.
func TestHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Serve(t, clock(time.Hour))
		client := sse.Client{HTTPClient: srv.Client()}
		start := time.Now()
		require.Len(t, ssetest.Take(t, client.Get(t.Context(), srv.URL()), 100), 100)
		require.Equal(t, 99*time.Hour, time.Since(start))
	})
}

// TestNone: silence, for as long as one likes to wait, and the server can be used after it.
func TestNone(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := ssetest.NewServer(t,
			func(c *ssetest.Conn) { c.Write(": nothing\n\ndata: half"); c.Wait() },
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: "x"}) },
		)
		client := sse.Client{HTTPClient: srv.Client()}
		ssetest.None(t, client.Get(t.Context(), srv.URL()), 50*time.Millisecond)
		require.Equal(t, "x", ssetest.Take(t, client.Get(t.Context(), srv.URL()), 1)[0].Data)
		require.Equal(t, ": nothing\n\ndata: half", srv.Sent()[0])
		ssetest.None(t, client.Get(t.Context(), srv.URL()), time.Millisecond) // 204
	})
	synctest.Test(t, func(t *testing.T) { // before the header
		srv := ssetest.NewServer(t, (*ssetest.Conn).Wait)
		start := time.Now()
		ssetest.None(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()), time.Hour)
		require.Equal(t, time.Hour, time.Since(start))
	})
}

// TestScripts plays everything that a Conn can do.
func TestScripts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t,
			func(c *ssetest.Conn) { c.Status(http.StatusFound, "/moved?"+c.Request().URL.RawQuery) },
			func(c *ssetest.Conn) {
				c.Send(sse.Event{Type: "e", Data: "1", LastEventID: "1"})
				c.Write("data: lost")
				c.Abort()
			},
			func(c *ssetest.Conn) { c.Header().Set("Retry-After", "7"); c.Status(503, "later") },
			func(c *ssetest.Conn) { c.Write("data:2\r\n\r\n"); c.Wait() },
			func(c *ssetest.Conn) { c.Header().Set("Content-Type", "text/event-stream; charset=utf-8"); c.Write("") },
			func(c *ssetest.Conn) { c.Status(http.StatusNoContent, "") },
			func(c *ssetest.Conn) { panic("nobody comes here") },
		)
		rec := ssetest.NewRecorder()
		client := sse.Client{HTTPClient: srv.Client(), IdleTimeout: time.Minute, Trace: rec.Trace(),
			NewBackoff: func(d time.Duration) sse.Backoff { return backoff.NewConstantBackOff(d) }}
		var got []string
		for ev, err := range rec.Events(client.Get(t.Context(), srv.URL()+"/?a=b")) {
			require.NoError(t, err)
			got = append(got, ev.Data)
		}
		require.Equal(t, []string{"1", "2"}, got)
		wait := regexpJitter.ReplaceAllString(rec.String(), "7.Xs")
		require.Equal(t, "/moved?a=b", srv.Requests()[1].URL.RequestURI())
		require.Contains(t, wait, `0s      connect ""
0s      open
0s      event e "1" id "1"
0s      disconnect: unexpected EOF; again in 1s
1s      connect "1"
1s      disconnect: sse: GET http://sse.test/: 503 Service Unavailable: "later"; again in 7.Xs
`)
		require.True(t, strings.HasSuffix(rec.String(), " end\n"))
	})
}

// A fakeTB is a test that may fail.
type fakeTB struct {
	testing.TB
	mu       sync.Mutex
	messages []string
	cleanups []func()
}

func (f *fakeTB) Helper()           {}
func (f *fakeTB) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }
func (f *fakeTB) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// fails runs a test that should fail, in a bubble, and returns its first message.
func fails(t *testing.T, test func(t testing.TB)) (message string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTB{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() {
				for _, cleanup := range f.cleanups {
					cleanup()
				}
			}()
			test(f)
		}()
		<-done
		time.Sleep(time.Minute) // for handlers that do not watch their context
		require.NotEmpty(t, f.messages)
		message = f.messages[0]
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
  event message "a" id "1"
  event message "a" id "1"
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
`, fails(t, func(t testing.TB) { ssetest.Take(t, get(t, ssetest.NewServer(t, two, two)), 3) }))

	require.Equal(t, `ssetest: want 2 events, got 1, then nothing for 168h0m0s
events:
  event message "b" id ""
connections:
  0s: GET /: 200 OK
    | data:b
    | 
`, fails(t, func(t testing.TB) { ssetest.Take(t, get(t, ssetest.NewServer(t, stall)), 2) }))

	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.Await(t, get(t, ssetest.NewServer(t, stall)), "e")
	}), `want an event of type "e", got 1 others, then nothing for 168h0m0s`)

	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.Take(t, get(t, ssetest.NewServer(t, func(c *ssetest.Conn) { c.Status(404, "no such feed") })), 1)
	}), `got 0, then the stream ended: sse: GET http://sse.test: 404 Not Found: "no such feed"`+"\nevents:\n  none\nconnections:\n  0s: GET /: 404 Not Found\n    | no such feed\n")

	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.None(t, get(t, ssetest.NewServer(t, stall)), time.Hour)
	}), "want no event within 1h0m0s, got 1, then no more was asked for")
	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.None(t, get(t, ssetest.NewServer(t, func(c *ssetest.Conn) { c.Status(400, "") })), time.Hour)
	}), "want no event within 1h0m0s, got 0, then the stream ended: sse: GET http://sse.test: 400 Bad Request")
	require.Contains(t, fails(t, func(t testing.TB) {
		ssetest.None(t, sse.Read(strings.NewReader("")), time.Hour)
	}), "None needs a Server of the same test")
	require.Equal(t, "ssetest: want 1 events, got 0, then the stream ended: broken\nevents:\n  none\n", fails(t, func(t testing.TB) {
		ssetest.Take(t, func(yield func(sse.Event, error) bool) { yield(sse.Event{}, errors.New("broken")) }, 1)
	}))
	require.Contains(t, fails(t, func(t testing.TB) {
		srv := ssetest.NewServer(t, func(c *ssetest.Conn) { c.Send(sse.Event{Data: "a\rb"}); c.Send(sse.Event{Data: "ok"}) })
		ssetest.Take(t, get(t, srv), 1)
	}), `ssetest: sse: an event's Data cannot hold '\r'`)
	require.Contains(t, fails(t, func(t testing.TB) {
		srv := ssetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data:1\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(closeWait + time.Second) // does not watch the context
		}))
		ssetest.Take(t, get(t, srv), 1)
	}), "a handler goes on 10s after its client left")
}

const closeWait = 10 * time.Second

// TestRecorder records what its consumer does, too.
func TestRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := ssetest.NewRecorder()
		for range rec.Events(sse.Read(strings.NewReader(":c\ndata:1\n\ndata:2\n\n"))) {
			time.Sleep(1500 * time.Millisecond)
			break
		}
		ssetest.Take(t, rec.Events(sse.Read(strings.NewReader("data:3\n\n"))), 1)
		for range rec.Events(sse.Read(strings.NewReader("data:4\n"))) {
		}
		require.Equal(t, `0s      event message "1" id ""
1.5s    left
1.5s    event message "3" id ""
1.5s    left
1.5s    error: sse: the stream ended inside an event: type "message", ID "", data "4"
`, rec.String())
	})
}

// TestRequestBodies are there for the script and for the test.
func TestRequestBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, func(c *ssetest.Conn) {
			body, _ := io.ReadAll(c.Request().Body)
			c.Send(sse.Event{Data: string(body)})
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL(), strings.NewReader("question"))
		require.NoError(t, err)
		got := ssetest.Take(t, (&sse.Client{HTTPClient: srv.Client()}).Events(req), 1)
		require.Equal(t, "question", got[0].Data)
		body, err := io.ReadAll(srv.Requests()[0].Body)
		require.NoError(t, err)
		require.Equal(t, "question", string(body))
	})
}

// TestClientsOwnEnd: a context that ends is the client's business, not the server's.
func TestClientsOwnEnd(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, (*ssetest.Conn).Wait)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		for _, err := range (&sse.Client{HTTPClient: srv.Client()}).Get(ctx, srv.URL()) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	})
}
