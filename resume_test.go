package sse_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// TestResumePosition: what each connection of a stream resumes after.
func TestResumePosition(t *testing.T) {
	for name, test := range map[string]struct {
		initial  string
		handlers []http.HandlerFunc
		want     string // the Last-Event-ID of each request
	}{
		"none":                 {"", []http.HandlerFunc{stream("data:1\n\n"), cut("data:2")}, "- - -"},
		"IDs":                  {"", []http.HandlerFunc{stream("id:1\ndata\n\nid:2\ndata\n\n"), stream("id:3\ndata\n\n")}, "- 2 3"},
		"sticky":               {"", []http.HandlerFunc{stream("id:1\ndata\n\ndata\n\n"), stream("data\n\n"), stream("")}, "- 1 1 1"},
		"block without data":   {"", []http.HandlerFunc{stream("id:1\ndata\n\nid:2\n\n"), stream("id:3\n\n")}, "- 2 3"},
		"cut block":            {"", []http.HandlerFunc{cut("id:1\ndata\n\nid:2\ndata:x\n"), cut("id:3\n"), cut("id:4")}, "- 1 1 1"},
		"reset":                {"", []http.HandlerFunc{stream("id:1\ndata\n\n"), stream("id:\ndata\n\n"), stream("")}, "- 1 - -"},
		"reset without data":   {"", []http.HandlerFunc{stream("id:1\ndata\n\nid\n\n")}, "- -"},
		"initial":              {"7", []http.HandlerFunc{stream(""), stream("data\n\n"), cut("id:8\ndata")}, "7 7 7 7"},
		"initial, then own":    {"7", []http.HandlerFunc{stream("id:8\ndata\n\n")}, "7 8"},
		"initial, then reset":  {"7", []http.HandlerFunc{stream("id\n\n")}, "7 -"},
		"refusals keep it":     {"", []http.HandlerFunc{stream("id:1\ndata\n\n"), status(503), status(500)}, "- 1 1 1"},
		"UTF-8":                {"", []http.HandlerFunc{stream("id:…日本\ndata\n\n")}, "- …日本"},
		"malformed UTF-8":      {"", []http.HandlerFunc{stream("id:\xff\ndata\n\n")}, "- \ufffd"},
		"spaces are trimmed":   {"", []http.HandlerFunc{stream("id:  1 2  \ndata\n\n")}, "- 1 2"},
		"nothing but spaces":   {"", []http.HandlerFunc{stream("id:   \ndata\n\n")}, "- -"},
		"tab":                  {"", []http.HandlerFunc{stream("id:1\t2\ndata\n\n")}, "- 1\t2"},
		"NUL is ignored":       {"", []http.HandlerFunc{stream("id:1\ndata\n\nid:2\x00\ndata\n\n")}, "- 1"},
		"control character":    {"", []http.HandlerFunc{stream("id:1\ndata\n\nid:2\x01\ndata\n\n"), stream("id:3\ndata\n\n")}, "- 1 3"},
		"DEL":                  {"", []http.HandlerFunc{stream("id:1\ndata\n\nid:2\x7f\ndata\n\n")}, "- 1"},
		"8 KiB":                {"", []http.HandlerFunc{stream("id:" + strings.Repeat("x", 8<<10) + "\ndata\n\n")}, "- " + strings.Repeat("x", 8<<10)},
		"over 8 KiB":           {"", []http.HandlerFunc{stream("id:1\ndata\n\nid:" + strings.Repeat("x", 8<<10+1) + "\ndata\n\n")}, "- 1"},
		"a JSON array":         {"", []http.HandlerFunc{stream("id:[{\"topic\":\"a\",\"offset\":-1}]\ndata\n\n")}, `- [{"topic":"a","offset":-1}]`},
		"hostile-looking":      {"", []http.HandlerFunc{stream("id:e5p3n<3k0k0s\ndata\n\n")}, "- e5p3n<3k0k0s"},
		"reset after unusable": {"", []http.HandlerFunc{stream("id:1\ndata\n\nid:\x01\ndata\n\nid\ndata\n\n")}, "- -"},
	} {
		for _, http2 := range []bool{false, true} {
			in(t, name+map[bool]string{true: "/HTTP2"}[http2], func(t *testing.T) {
				s := serve(t, test.handlers...)
				if http2 {
					s.useHTTP2(t)
				}
				req := get(t, "http://memnet/")
				if test.initial != "" {
					req.Header.Set("Last-Event-ID", test.initial)
				}
				c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient}
				_, err := all(t, c.Events(req))
				require.NoError(t, err)
				require.Equal(t, test.want, s.lastEventIDs())
			})
		}
	}
}

// TestIDsStayInForce: a new connection's events without an ID carry the one before.
func TestIDsStayInForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream("data:a\n\nid:1\ndata:b\n\n"), stream("data:c\n\nid:\x01\ndata:d\n\n"), stream("data:e\n\n"))
		req := get(t, "http://memnet/")
		req.Header.Set("Last-Event-ID", "0")
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(req))
		require.NoError(t, err)
		var ids []string
		for _, ev := range got {
			ids = append(ids, ev.LastEventID)
		}
		require.Equal(t, []string{"0", "1", "1", "\x01", "\x01"}, ids)
		require.Equal(t, "0 1 1 1", s.lastEventIDs())
	})
}

// TestResumePositionMovesAfterTheBody: an event whose loop body did not return is asked for
// again.
func TestResumePositionMovesAfterTheBody(t *testing.T) {
	for name, leave := range map[string]func(){
		"break":  nil,
		"panic":  func() { panic("in the loop body") },
		"Goexit": runtime.Goexit,
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, hold("id:1\ndata\n\nid:2\ndata\n\n"))
			tr := record()
			c := sse.Client{HTTPClient: s.client, Trace: tr.trace()}
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				for ev := range c.Get(t.Context(), "http://memnet/") {
					if ev.LastEventID == "2" {
						if leave != nil {
							leave()
						}
						break
					}
				}
			}()
			<-done
			require.Len(t, tr.infos, 1)
			require.Equal(t, "1", tr.infos[0].LastEventID)
		})
	}
}

// TestNothingOfADeadConnection: data and type of an unfinished block do not reach the next.
func TestNothingOfADeadConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, cut("event:e\nid:1\ndata:lost\nda"), stream("\ufeffdata:a\n\n"), cut("data:x\r"), stream("\ndata:b\n\n"))
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, []sse.Event{message("a"), message("b")}, got)
	})
}

// TestLeaving: break, return, panic and Goexit in the loop body close the connection, so
// that the server sees the client leave, and Trace hears of it once.
func TestLeaving(t *testing.T) {
	for name, leave := range map[string]func(){
		"break":  nil,
		"panic":  func() { panic("in the loop body") },
		"Goexit": runtime.Goexit,
	} {
		for _, http2 := range []bool{false, true} {
			in(t, name+map[bool]string{true: "/HTTP2"}[http2], func(t *testing.T) {
				left := make(chan bool, 1)
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					send(w, strings.Repeat("data:1\n\n", 1000))
					<-r.Context().Done()
					left <- true
				})
				if http2 {
					s.useHTTP2(t)
				}
				tr := record()
				c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Hour, Trace: tr.trace()}
				done := make(chan struct{})
				var recovered any
				go func() {
					defer close(done)
					defer func() { recovered = recover() }()
					for range c.Get(t.Context(), "http://memnet/") {
						if leave != nil {
							leave()
						}
						break
					}
				}()
				<-done
				<-left // at once: a bubble with everyone waiting fails
				require.Zero(t, time.Since(tr.start))
				require.Len(t, tr.infos, 1)
				require.NoError(t, tr.infos[0].Err)
				require.False(t, tr.infos[0].Reconnect)
				if name == "panic" {
					require.Equal(t, "in the loop body", recovered)
				}
			})
		}
	}
}

// TestPanicInHook: the connection is closed, whoever panics.
func TestPanicInHook(t *testing.T) {
	for name, trace := range map[string]*sse.Trace{
		"Connect": {Connect: func(*http.Request) { panic("hook") }},
		"Open":    {Open: func(*http.Response) { panic("hook") }},
		"Comment": {Comment: func(string) { panic("hook") }},
	} {
		in(t, name, func(t *testing.T) {
			left := make(chan bool, 1)
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				hold(":c\ndata:1\n\n")(w, r)
				left <- true
			})
			n := 0
			trace.Disconnect = func(info sse.DisconnectInfo) { n++ }
			c := sse.Client{HTTPClient: s.client, Trace: trace}
			require.PanicsWithValue(t, "hook", func() { _, _ = all(t, c.Get(t.Context(), "http://memnet/")) })
			require.Equal(t, 1, n)
			if name != "Connect" { // there is no connection yet
				<-left // a bubble in which everyone waits fails
			}
		})
	}
}

// bodySpy notes what is done to the bodies of responses.
type bodySpy struct {
	rt    http.RoundTripper
	open  int
	reads int
}

func (s *bodySpy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.rt.RoundTrip(r)
	if err == nil {
		s.open++
		resp.Body = &spiedBody{resp.Body, s}
	}
	return resp, err
}

type spiedBody struct {
	io.ReadCloser
	spy *bodySpy
}

func (b *spiedBody) Read(p []byte) (int, error) {
	b.spy.reads++
	return b.ReadCloser.Read(p)
}

func (b *spiedBody) Close() error {
	b.spy.open--
	return b.ReadCloser.Close()
}

// TestBodies: each body is closed once, before the next connection, and never drained.
func TestBodies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"), cut("data:2\n\n"), status(503), stream("data:3\n\n"+strings.Repeat(":\n", 1<<20)))
		spy := &bodySpy{rt: s.client.Transport}
		reads := 0
		c := sse.Client{HTTPClient: &http.Client{Transport: spy}, Trace: &sse.Trace{
			Connect: func(*http.Request) { assert.Zero(t, spy.open) },
			Open:    func(*http.Response) { assert.Equal(t, 1, spy.open) },
		}}
		for ev, err := range c.Get(t.Context(), "http://memnet/") {
			require.NoError(t, err)
			reads = spy.reads
			if ev.Data == "3" {
				break
			}
		}
		require.Zero(t, spy.open)
		require.Equal(t, reads, spy.reads, "no read after break")
	})
}

// TestCloseThatDrains: a body whose Close reads to the end, as some wrappers' do, cannot
// hold break up.
func TestCloseThatDrains(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"))
		c := sse.Client{HTTPClient: &http.Client{Transport: drainer{s.client.Transport}}}
		for range c.Get(t.Context(), "http://memnet/") {
			break // a bubble in which everyone waits fails
		}
	})
}

type drainer struct{ http.RoundTripper }

func (d drainer) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.RoundTripper.RoundTrip(r)
	if err == nil {
		body := resp.Body
		resp.Body = closer{body, func() {
			_, _ = io.Copy(io.Discard, body)
			body.Close()
		}}
	}
	return resp, err
}

var errCause = errors.New("the cause")

// TestCancel ends the context at every stage: the sequence ends at once with its cause.
func TestCancel(t *testing.T) {
	const after = 90 * time.Second
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	slow := func(w http.ResponseWriter, r *http.Request) { // a refusal with an endless body
		w.WriteHeader(503)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		after   time.Duration
		want    sse.DisconnectInfo
		hooked  int // disconnects
	}{
		"waiting for the header":         {silent, after, sse.DisconnectInfo{Err: errCause}, 1},
		"waiting for an event":           {hold("id:1\ndata:1\n\n"), after, sse.DisconnectInfo{Err: errCause, LastEventID: "1"}, 1},
		"in the middle of an event":      {hold("id:1\ndata:1\n\nid:2\ndata:2\n"), after, sse.DisconnectInfo{Err: errCause, LastEventID: "1"}, 1},
		"waiting for the refusal's body": {slow, time.Second / 2, sse.DisconnectInfo{Err: errCause}, 1},
		"waiting to reconnect": {stream("id:1\ndata:1\n\n"), after,
			sse.DisconnectInfo{Err: io.EOF, LastEventID: "1", Reconnect: true, Delay: time.Hour}, 1},
	} {
		for _, http2 := range []bool{false, true} {
			in(t, name+map[bool]string{true: "/HTTP2"}[http2], func(t *testing.T) {
				s := serve(t, test.handler)
				if http2 {
					s.useHTTP2(t)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(test.after, func() { cancel(errCause) })
				tr := record()
				c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, NewBackoff: every(time.Hour), Trace: tr.trace()}
				_, err := all(t, c.Get(ctx, "http://memnet/"))
				require.Equal(t, errCause, err)
				require.Equal(t, test.after, time.Since(tr.start))
				require.Len(t, tr.infos, test.hooked)
				got := tr.infos[0]
				got.Request = nil
				require.Equal(t, test.want, got)
			})
		}
	}
	in(t, "deadline", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"))
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		start := time.Now()
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(ctx, "http://memnet/"))
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, after, time.Since(start))
		require.Equal(t, "1", data(got))
	})
	in(t, "before the first request", func(t *testing.T) {
		s := serve(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errCause)
		tr := record()
		c := sse.Client{HTTPClient: s.client, Trace: tr.trace(), Prepare: func(*http.Request) error { t.Error("there was an attempt"); return nil }}
		_, err := all(t, c.Get(ctx, "http://memnet/"))
		require.Equal(t, errCause, err)
		require.Empty(t, tr.String())
	})
	in(t, "in the loop body", func(t *testing.T) {
		s := serve(t, stream("id:1\ndata:1\n\n:c\nid:2\ndata:2\n\n"))
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		tr := record()
		c := sse.Client{HTTPClient: s.client, Trace: tr.trace()}
		n := 0
		for ev, err := range c.Get(ctx, "http://memnet/") {
			if n++; n == 1 {
				require.Equal(t, "1", ev.Data)
				cancel(errCause)
				continue
			}
			require.Equal(t, errCause, err)
		}
		require.Equal(t, 2, n, "nothing buffered is delivered")
		require.NotContains(t, tr.String(), "comment")
		require.Equal(t, "1", tr.infos[0].LastEventID, "its loop body returned")
	})
	in(t, "in the loop body, then break", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"))
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		tr := record()
		c := sse.Client{HTTPClient: s.client, Trace: tr.trace()}
		for range c.Get(ctx, "http://memnet/") {
			cancel(errCause)
			break
		}
		require.NoError(t, tr.infos[0].Err)
	})
	in(t, "in the comment hook", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n:stop\n:more\ndata:2\n\n"))
		ctx, cancel := context.WithCancelCause(t.Context())
		comments := 0
		c := sse.Client{HTTPClient: s.client, Trace: &sse.Trace{Comment: func(string) { comments++; cancel(errCause) }}}
		got, err := all(t, c.Get(ctx, "http://memnet/"))
		require.Equal(t, errCause, err)
		require.Equal(t, 1, comments)
		require.Equal(t, "1", data(got))
	})
	in(t, "in Prepare", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := sse.Client{Prepare: func(r *http.Request) error { cancel(errCause); return r.Context().Err() }}
		_, err := all(t, c.Get(ctx, "http://memnet/"))
		require.Equal(t, errCause, err)
	})
}

// TestIdle: silence is counted while a Read waits, and any byte ends it.
func TestIdle(t *testing.T) {
	const idle = 10 * time.Second
	drip := func(pieces ...string) http.HandlerFunc { // a piece every 9 s
		return func(w http.ResponseWriter, r *http.Request) {
			for _, piece := range pieces {
				send(w, piece)
				pause(r, idle-time.Second)
			}
		}
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
		err     error
		open    time.Duration
	}{
		"comments feed it":        {drip(":", "\n", ":\n", ":a", "b\n", "data:1\n\n"), "1", io.EOF, 54 * time.Second},
		"halves of lines feed it": {drip("d", "a", "t", "a", ":", "1", "\n", "\n"), "1", io.EOF, 72 * time.Second},
		"silence does not":        {hold("data:1\n\n"), "1", sse.ErrIdleTimeout, idle},
		"one byte, then silence":  {hold("data:1\n\nd"), "1", sse.ErrIdleTimeout, idle},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, test.handler)
			tr := record()
			c := sse.Client{HTTPClient: s.client, IdleTimeout: idle, Trace: tr.trace()}
			got, err := all(t, c.Get(t.Context(), "http://memnet/"))
			require.NoError(t, err)
			require.Equal(t, test.want, data(got))
			require.Equal(t, test.err, tr.infos[0].Err)
			require.Equal(t, test.open+tr.infos[0].Delay, s.waits()[0])
			require.False(t, tr.infos[1].Request.Close, "HTTP/1.1 gives it to nobody else")
		})
	}
	in(t, "a slow consumer is not a silent server", func(t *testing.T) {
		s := serve(t, hold("data:1\n\ndata:2\n\n"))
		tr := record()
		c := sse.Client{HTTPClient: s.client, IdleTimeout: idle, Trace: tr.trace()}
		n := 0
		for _, err := range c.Get(t.Context(), "http://memnet/") {
			require.NoError(t, err)
			time.Sleep(100 * idle)
			n++
		}
		require.Equal(t, 2, n)
		require.Equal(t, sse.ErrIdleTimeout, tr.infos[0].Err)
		require.Equal(t, 201*idle+tr.infos[0].Delay, s.waits()[0])
	})
	in(t, "zero waits for ever", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(1000 * time.Hour)
			send(w, ":\n")
			time.Sleep(1000 * time.Hour)
			send(w, "data:1\n\n")
		})
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, "1", data(got))
	})
	in(t, "HTTPClient.Timeout does not cut the stream", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			send(w, ":\n")
			time.Sleep(1000 * time.Hour)
			send(w, "data:1\n\n")
		})
		s.client.Timeout = 2 * time.Second
		tr := record()
		c := sse.Client{HTTPClient: s.client, Trace: tr.trace()}
		got, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, "1", data(got))
		require.Equal(t, io.EOF, tr.infos[0].Err)
		require.Equal(t, 2*time.Second, s.client.Timeout, "the caller's client is never written")
	})
	in(t, "HTTPClient.Timeout goes before IdleTimeout", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		s.client.Timeout = time.Minute
		start := time.Now()
		_, err := all(t, (&sse.Client{HTTPClient: s.client, IdleTimeout: idle}).Get(t.Context(), "http://memnet/"))
		require.Equal(t, sse.ErrIdleTimeout, err)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

// TestRefusalBody: the first 64 KiB, until a second passes without a byte, and for at most
// five seconds. IdleTimeout does not matter.
func TestRefusalBody(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		body    string
		took    time.Duration
	}{
		"short": {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no such feed", 404) }, "no such feed\n", 0},
		"empty": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }, "", 0},
		"long": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, strings.Repeat("x", 1000))
			}
		}, strings.Repeat("x", 64<<10), 0},
		"one byte less": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, strings.Repeat("x", 64<<10-1))
		}, strings.Repeat("x", 64<<10-1), 0},
		"slow": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, "no such")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "no such", time.Second},
		"one byte at a time": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				pause(r, 950*time.Millisecond)
			}
		}, "xxxxxx", 5 * time.Second},
		"a byte that comes too late": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			pause(r, 1001*time.Millisecond)
			_, _ = io.WriteString(w, "x")
		}, "x", time.Second},
		"a live stream under another label": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(404)
			_, _ = io.WriteString(w, "data:1\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "data:1\n\n", time.Second},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, test.handler)
			start := time.Now()
			_, err := all(t, (&sse.Client{HTTPClient: s.client, IdleTimeout: 100 * time.Millisecond}).Get(t.Context(), "http://memnet/"))
			var re *sse.ResponseError
			require.ErrorAs(t, err, &re)
			require.Equal(t, 404, re.StatusCode)
			require.Equal(t, test.body, string(re.Body))
			require.Equal(t, test.took, time.Since(start))
		})
	}
}

// TestAttemptsLeaveNothing: the context of each attempt is done when the next one begins,
// also after one that got no response; the caller's would keep it for as long as it lives.
func TestAttemptsLeaveNothing(t *testing.T) {
	in(t, "", func(t *testing.T) {
		s := serve(t, cut(""), cut("data:1\n\n"), status(503), stream("data:2\n\n"))
		var attempts []context.Context
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, Trace: &sse.Trace{Connect: func(r *http.Request) {
			for _, ctx := range attempts {
				require.Error(t, ctx.Err())
			}
			attempts = append(attempts, r.Context())
		}}}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		s.Close()
		s.client.CloseIdleConnections() // refused, from now on
		c.Reconnect = func(error) bool { return len(attempts) < 8 }
		_, err = all(t, c.Get(t.Context(), "http://memnet/"))
		require.Error(t, err)
		require.Len(t, attempts, 8)
		for _, ctx := range attempts {
			require.Error(t, ctx.Err())
		}
	})
}

var update = flag.Bool("update", false, "write testdata/transcripts and api.txt")

// golden compares text with a file of testdata/transcripts, or writes it there.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := transcriptFile(name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test -update")
	require.Equal(t, string(want), text)
}

func transcriptFile(name string) string {
	return filepath.Join("testdata", "transcripts", name+".txt")
}

// script sends text and then does what follows.
func script(text string, then ...ssetest.Script) ssetest.Script {
	return func(c *ssetest.Conn) {
		c.Write(text)
		for _, script := range then {
			script(c)
		}
	}
}

// refuse answers with a status and headers.
func refuse(code int, text string, headers ...string) ssetest.Script {
	return func(c *ssetest.Conn) {
		for i := 0; i < len(headers); i += 2 {
			c.Header().Set(headers[i], headers[i+1])
		}
		c.Status(code, text)
	}
}

// TestTranscripts tells the stories of a stream, each in a file of its own.
func TestTranscripts(t *testing.T) {
	wait, abort := (*ssetest.Conn).Wait, (*ssetest.Conn).Abort
	token := "old"
	withToken := func(s ssetest.Script) ssetest.Script {
		return func(c *ssetest.Conn) {
			if c.Request().Header.Get("Authorization") != "Bearer new" {
				s = refuse(401, "token expired")
			}
			s(c)
		}
	}
	for name, story := range map[string]struct {
		client  sse.Client
		scripts []ssetest.Script
	}{
		"drop-inside-an-event": {sse.Client{}, []ssetest.Script{
			script("id: 1\ndata: a\n\nid: 2\nevent: lost\ndata: b", abort),
			script("id: 2\ndata: b\n\n", abort),
		}},
		"503-with-retry-after": {sse.Client{NewBackoff: every(0)}, []ssetest.Script{
			script("id: 1\ndata: a\n\n"),
			refuse(503, "restarting", "Retry-After", "20"),
			refuse(503, "restarting", "Retry-After", "Sat, 01 Jan 2000 00:01:00 GMT"),
			refuse(503, "restarting"),
			script("data: b\n\n"),
		}},
		"idle": {sse.Client{IdleTimeout: time.Minute}, []ssetest.Script{
			func(c *ssetest.Conn) {
				for range 3 {
					c.Write(": still here\n")
					time.Sleep(50 * time.Second)
				}
				c.Send(sse.Event{Data: "a", LastEventID: "1"})
				c.Wait()
			},
			wait,
			script("data: b\n\n"),
		}},
		"retry-field": {sse.Client{}, []ssetest.Script{
			script("retry: 3000\ndata: a\n\n"),
			script("data: b\n\n"),
			script("retry: 1\nretry: 10 seconds\ndata: c\n\n"),
			script("retry: 99999999999999999999\n\ndata: d\n\n"),
		}},
		"id-reset": {sse.Client{}, []ssetest.Script{
			script("id: 1\ndata: a\n\ndata: b\n\n"),
			script("data: c\n\nid\n\n"),
			script("data: d\n\nid: 2\n\n"),
			script("id: \x01\ndata: e\n\n"),
		}},
		"204": {sse.Client{}, []ssetest.Script{
			script("id: 1\ndata: a\n\n"),
			refuse(204, ""),
		}},
		"giving-up": {sse.Client{NewBackoff: func(time.Duration) sse.Backoff {
			return &row{[]time.Duration{time.Second, 2 * time.Second, 4 * time.Second, -1}}
		}}, []ssetest.Script{
			script("id: 1\ndata: a\n\n"),
			refuse(502, "no upstream"), refuse(502, "no upstream"), refuse(502, "no upstream"),
		}},
		"first-attempt-refused": {sse.Client{}, []ssetest.Script{
			refuse(503, "not yet"),
		}},
		"first-attempt-refused-transient": {sse.Client{Reconnect: sse.Transient}, []ssetest.Script{
			refuse(503, "not yet"),
			script("data: a\n\n"),
			refuse(404, "no such feed"),
		}},
		"redirect": {sse.Client{}, []ssetest.Script{
			refuse(307, "/moved"),
			script("id: 1\ndata: a\n\n"),
			refuse(301, "/moved/again"),
			script("id: 2\ndata: b\n\n"),
		}},
		"token-refresh-after-401": {sse.Client{
			Prepare: func(r *http.Request) error {
				r.Header.Set("Authorization", "Bearer "+token)
				return nil
			},
			Reconnect: func(err error) bool {
				if re, ok := err.(*sse.ResponseError); ok && re.StatusCode == http.StatusUnauthorized && token == "old" {
					token = "new"
					return true
				}
				return sse.Transient(err)
			},
		}, []ssetest.Script{
			withToken(script("data: nobody sees this\n\n")),
			withToken(script("id: 1\ndata: a\n\n")),
		}},
	} {
		record := func(t *testing.T, srv *ssetest.Server) string {
			token = "old"
			rec := ssetest.NewRecorder()
			c := story.client
			c.HTTPClient, c.Trace = srv.Client(), rec.Trace()
			if c.NewBackoff == nil {
				c.NewBackoff = constant // no part of it is random
			}
			for range rec.Events(c.Get(t.Context(), srv.URL())) {
			}
			return rec.String()
		}
		t.Run(name, func(t *testing.T) {
			transcript := ""
			bubble(t, func(t *testing.T) {
				srv := ssetest.NewScriptedServer(t, story.scripts...)
				transcript = record(t, srv)
				golden(t, name, transcript+requests(srv))
			})
			// The transcript is a recording: its replay makes the client do the same again,
			// unless that depended on fields that no event shows.
			if name != "retry-field" && name != "id-reset" {
				bubble(t, func(t *testing.T) {
					require.Equal(t, transcript, record(t, ssetest.Replay(t, transcriptFile(name))))
				})
			}
		})
	}
}

// requests lists what a server was asked for.
func requests(srv *ssetest.Server) string {
	var out strings.Builder
	out.WriteString("# the server's requests:\n")
	for _, r := range srv.Requests() {
		fmt.Fprintf(&out, "# %s %s %q\n", r.Method, r.URL.RequestURI(), r.Header.Get("Last-Event-ID"))
	}
	return out.String()
}

// TestDay is 24 hours of a stream with 1000 drops, most of them inside an event: each event
// comes once, and in order.
func TestDay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const drops, perConnection = 1000, 10
		const interval = 24 * time.Hour / (drops * perConnection)
		connection := 0
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			connection++
			if connection > drops+1 {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
			send(w, "retry: 10\n\n")
			for id := last + 1; id <= last+perConnection; id++ {
				pause(r, interval)
				event := fmt.Sprintf("id: %d\ndata: event %d\n\n", id, id)
				send(w, event)
			}
			next := fmt.Sprintf("id: %d\ndata: event %d\n\n", last+perConnection+1, last+perConnection+1)
			send(w, next[:connection%len(next)])
			panic(http.ErrAbortHandler)
		}))
		start := time.Now()
		c := sse.Client{HTTPClient: srv.Client(), IdleTimeout: time.Minute}
		want := 0
		for ev, err := range c.Get(t.Context(), srv.URL()) {
			require.NoError(t, err)
			want++
			require.Equal(t, strconv.Itoa(want), ev.LastEventID)
			require.Equal(t, "event "+ev.LastEventID, ev.Data)
		}
		require.Equal(t, (drops+1)*perConnection, want)
		require.Greater(t, time.Since(start), 24*time.Hour)
		require.Equal(t, drops+2, connection)
	})
}
