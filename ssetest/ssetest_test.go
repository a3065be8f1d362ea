package ssetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
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

func TestNewServer(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, clock(20*time.Millisecond))
		client := sse.Client{HTTPClient: srv.Client()}
		events := client.Get(t.Context(), srv.URL()+"/clock?z=utc")
		require.Equal(t, []sse.Event{tick("1"), tick("2"), tick("3")}, ssetest.Take(t, events, 3))
		require.Equal(t, tick("1"), ssetest.Await(t, events, "tick"))
		require.Empty(t, ssetest.Take(t, events, 0))

		require.Len(t, srv.Requests(), 2)
		require.Equal(t, "z=utc", srv.Requests()[0].URL.RawQuery)
		require.True(t, strings.HasPrefix(srv.Received()[0], ": tick follows\nevent: tick\ndata: 1\nid: 1\n\n: tick follows\n"), srv.Received()[0])
	})
}

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

// TestScripts plays everything that a Conn can do.
func TestScripts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
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
		f := &ssetest.FakeTB{TB: t}
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

const closeWait = 30 * time.Second

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

// TestHandlersThatGoOn are reported, and end at their next write. None of them may end the
// test binary.
func TestHandlersThatGoOn(t *testing.T) {
	handler := func(after func(w http.ResponseWriter)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
			after(w)
		})
	}
	write := func(w http.ResponseWriter) {
		_, _ = io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
	}
	take := func(t testing.TB, h http.Handler) {
		srv := ssetest.NewServer(t, h)
		ssetest.Take(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()), 1)
	}
	for name, forever := range map[string]func(w http.ResponseWriter){
		"writes": func(w http.ResponseWriter) {
			for {
				time.Sleep(time.Second)
				write(w)
			}
		},
		"writes seldom": func(w http.ResponseWriter) {
			for {
				time.Sleep(24 * time.Hour)
				_, _ = w.Write([]byte(":\n"))
			}
		},
		"flushes": func(w http.ResponseWriter) {
			for {
				time.Sleep(time.Second)
				_ = http.NewResponseController(w).Flush()
			}
		},
		"returns late": func(w http.ResponseWriter) { time.Sleep(closeWait + time.Second) },
		"panics late":  func(w http.ResponseWriter) { time.Sleep(closeWait + time.Second); panic("late") },
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "ssetest: a handler continues 30s after its client left; does it watch the request's Context?",
				fails(t, func(t testing.TB) { take(t, handler(forever)) }))
		})
	}
	t.Run("returns in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			take(t, handler(func(w http.ResponseWriter) { time.Sleep(closeWait - time.Second); write(w) }))
		})
	})
	t.Run("panics", func(t *testing.T) {
		message := fails(t, func(t testing.TB) { take(t, handler(func(http.ResponseWriter) { panic("at the disco") })) })
		require.Contains(t, message, "ssetest: the handler panicked: at the disco\n")
		require.Contains(t, message, "ssetest_test.go")
	})
	t.Run("writes after its return", func(t *testing.T) {
		inAndOut(t, func(t *testing.T) {
			wrote := make(chan error, 3)
			take(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handler(func(http.ResponseWriter) {}).ServeHTTP(w, r)
				go func() {
					<-r.Context().Done() // the handler has returned
					time.Sleep(10 * time.Millisecond)
					_, err := w.Write([]byte("data: 2\n\n"))
					wrote <- err
					_, err = io.WriteString(w, "data: 2\n\n")
					wrote <- err
					w.WriteHeader(http.StatusTeapot)
					w.(http.Flusher).Flush()
					wrote <- http.NewResponseController(w).Flush()
				}()
			}))
			for range 3 {
				require.EqualError(t, <-wrote, "ssetest: the handler of this response has returned")
			}
		})
	})
	t.Run("after the test", func(t *testing.T) {
		f := &ssetest.FakeTB{TB: t}
		after := make(chan struct{})
		var late sync.WaitGroup
		late.Add(2)
		srv := ssetest.NewScriptedServer(f, func(c *ssetest.Conn) {
			defer late.Done()
			c.Write("data: 1\n\n")
			go func() {
				defer late.Done()
				<-after
				c.Send(sse.Event{Data: "a\rb"}) // an error of a test that is over
			}()
		})
		ssetest.Take(f, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()), 1)
		f.End()
		close(after)
		late.Wait()
		require.Empty(t, f.Messages())
	})
}

// TestCloseConnections: clients reconnect, and resume.
func TestCloseConnections(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		left := make(chan struct{}, 2)
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "retry: 10\nid: %s+\ndata: a\n\ndata: half", r.Header.Get("Last-Event-ID"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			left <- struct{}{}
		}))
		srv.CloseConnections() // none is open
		one := ssetest.Open(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()))
		two := ssetest.Open(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()))
		for _, id := range []string{"+", "++", "+++"} {
			for _, r := range []*ssetest.Reader{one, two} {
				require.Equal(t, sse.Event{Type: "message", Data: "a", LastEventID: id}, r.Take(1)[0])
			}
			srv.CloseConnections()
			<-left
			<-left
		}
		require.Len(t, srv.Requests(), 6)
		require.Equal(t, "+", srv.Requests()[2].Header.Get("Last-Event-ID"))
	})
}

// TestReceived: the first 64 KiB of each response are kept.
func TestReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t, func(c *ssetest.Conn) {
			for range 1024 {
				c.Write(strings.Repeat("x", 99) + "\n")
			}
			c.Write("data: 1\n\n")
		}, func(c *ssetest.Conn) { c.Write("data: 2\n\n") })
		ssetest.Take(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()), 2)
		require.Len(t, srv.Received(), 2)
		require.Len(t, srv.Received()[0], 64<<10)
		require.Equal(t, "data: 2\n\n", srv.Received()[1])
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
		srv := ssetest.NewScriptedServer(t, func(c *ssetest.Conn) {
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
		srv := ssetest.NewScriptedServer(t, (*ssetest.Conn).Wait)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		for _, err := range (&sse.Client{HTTPClient: srv.Client()}).Get(ctx, srv.URL()) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	})
}
