package ssetest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

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

const closeWait = 30 * time.Second

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
		require.Contains(t, message, "server_test.go")
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
		f := ssetest.NewFakeTB(t)
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

// TestResponseWriter: handlers find the interfaces that net/http's ResponseWriter has.
func TestResponseWriter(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		left := make(chan struct{})
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/raw" {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: raw\n\n")
					_ = conn.Close()
				}
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.(io.StringWriter).WriteString("data: 1\n\n")
			w.(http.Flusher).Flush()
			<-w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
			close(left)
		}))
		client := sse.Client{HTTPClient: srv.Client()}
		require.Equal(t, "1", ssetest.Take(t, client.Get(t.Context(), srv.URL()), 1)[0].Data)
		<-left
		require.Equal(t, "raw", ssetest.Take(t, client.Get(t.Context(), srv.URL()+"/raw"), 1)[0].Data)
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
	require.Contains(t, fails(t, func(t testing.TB) {
		srv := ssetest.NewScriptedServer(t, func(c *ssetest.Conn) { c.Write(strings.Repeat("x", 64<<10+1)); c.Wait() })
		ssetest.Take(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()), 1)
	}), "    (and 1 bytes)\n")
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

// TestRequestAfterTheEnd: a client that asks once more when its test is over gets 204, and
// its request's body is closed, as net/http closes it.
func TestRequestAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ssetest.NewFakeTB(t)
		srv := ssetest.NewScriptedServer(f)
		f.End()
		body := &closable{Reader: strings.NewReader("question")}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL(), body)
		require.NoError(t, err)
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
		require.True(t, body.closed)
		require.Empty(t, srv.Requests())
	})
}

type closable struct {
	io.Reader
	closed bool
}

func (c *closable) Close() error {
	c.closed = true
	return nil
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
