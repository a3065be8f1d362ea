package sse_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestStreamNext pulls a stream over several connections, and looks at all that it has.
func TestStreamNext(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		in(t, map[bool]string{true: "HTTP2", false: "HTTP1"}[http2], func(t *testing.T) {
			s := serve(t,
				cut("retry:50\nevent:e\nid:1\ndata:a\ndata:b\n\ndata:\xff\n\nid:2\ndata:lost"),
				status(503),
				stream("id:2\ndata:c\n\nid:3\n\n"),
			)
			if http2 {
				s.useHTTP2(t)
			}
			st := (&sse.Client{HTTPClient: s.client}).Stream(get(t, "http://memnet/"))
			defer st.Close()
			require.Nil(t, st.Response())
			_, ok := st.Retry()
			require.False(t, ok)

			require.NoError(t, st.Next())
			require.Equal(t, sse.Event{Type: "e", Data: "a\nb", LastEventID: "1"}, st.Event())
			require.Equal(t, "e a\nb 1", st.Type()+" "+string(st.Data())+" "+st.LastEventID())
			retry, ok := st.Retry()
			require.True(t, ok)
			require.Equal(t, 50*time.Millisecond, retry)
			first := st.Response()
			require.Equal(t, 200, first.StatusCode)
			require.Equal(t, "http://memnet/", first.Request.URL.String())

			require.NoError(t, st.Next())
			require.Equal(t, sse.Event{Type: "message", Data: "\ufffd", LastEventID: "1"}, st.Event())
			require.Same(t, first, st.Response())

			require.NoError(t, st.Next())
			require.Equal(t, sse.Event{Type: "message", Data: "c", LastEventID: "2"}, st.Event())
			require.NotSame(t, first, st.Response(), "the one that carries the event")
			require.Equal(t, "- 1 1", s.lastEventIDs())

			require.Equal(t, io.EOF, st.Next(), "after 204")
			require.Equal(t, io.EOF, st.Next())
			require.Equal(t, "- 1 1 3", s.lastEventIDs(), "also by a block without data")
			require.Equal(t, sse.Event{LastEventID: "3"}, st.Event())
		})
	}
}

// TestStreamErrors: what ends a stream is what Next returns from then on, until Close.
func TestStreamErrors(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    any
	}{
		"refusal":    {status(404), new(*sse.ResponseError)},
		"unfinished": {stream("data:1"), new(*sse.UnfinishedError)},
		"cut":        {cut("data:1"), io.ErrUnexpectedEOF},
		"clean":      {stream(""), io.EOF},
		"204":        {status(204), io.EOF},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, test.handler)
			st := (&sse.Client{HTTPClient: s.client}).Stream(post(t, strings.NewReader("{}")))
			err := st.Next()
			requireError(t, test.want, err)
			require.True(t, err == st.Next(), "the same again")
			require.Len(t, s.requests, 1)
			require.NoError(t, st.Close())
			require.Equal(t, io.EOF, st.Next())
			st.Restart(nil) // does nothing after the end
			require.Equal(t, io.EOF, st.Next())
			require.NoError(t, st.Close())
			require.Len(t, s.requests, 1)
		})
	}
	in(t, "context", func(t *testing.T) {
		s := serve(t, hold("data:1\n\ndata:2\n\n"))
		ctx, cancel := context.WithCancelCause(t.Context())
		st := (&sse.Client{HTTPClient: s.client}).Stream(get(t, "http://memnet/").WithContext(ctx))
		require.NoError(t, st.Next())
		cancel(errCause)
		require.Equal(t, errCause, st.Next(), "nothing buffered is delivered")
	})
	in(t, "context, before there is an attempt", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		closed := false
		req := post(t, nil).WithContext(ctx)
		req.Body = closer{strings.NewReader("x"), func() { closed = true }}
		st := new(sse.Client).Stream(req)
		cancel(errCause)
		require.Equal(t, errCause, st.Next())
		require.True(t, closed, "the caller's body")
	})
	in(t, "an initial ID that no header can carry", func(t *testing.T) {
		for _, id := range []string{"a\nb", "\x00", "\x7f", strings.Repeat("x", 8<<10+1)} {
			s := serve(t)
			req := get(t, "http://memnet/")
			req.Header["last-event-ID"] = []string{id}
			c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient}
			st := c.Stream(req)
			err := st.Next()
			require.ErrorContains(t, err, "initial ID")
			require.Less(t, len(err.Error()), 500)
			require.Equal(t, err, st.Next())
			_, err = all(t, c.Events(req))
			require.ErrorContains(t, err, "initial ID")
			require.Empty(t, s.requests)
		}
	})
}

func TestResumable(t *testing.T) {
	for id, want := range map[string]bool{
		"": true, "1": true, " ": true, "a\tb": true, "日本": true, "\ufffd": true, "\u0085": true, strings.Repeat("x", 8<<10): true,
		"\n": false, "\r": false, "\x00": false, "\x01": false, "\x1f": false, "\x7f": false, "a\x00b": false, strings.Repeat("x", 8<<10+1): false,
	} {
		require.Equal(t, want, sse.Resumable(id), "%.20q", id)
	}
}

// TestStreamEvents: the rest of a stream, which is closed after the range.
func TestStreamEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		left := make(chan bool, 1)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			hold("id:1\ndata:1\n\nid:2\ndata:2\n\nid:3\ndata:3\n\n")(w, r)
			left <- true
		})
		tr := record()
		st := (&sse.Client{HTTPClient: s.client, Trace: tr.trace()}).Stream(get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		for ev, err := range st.Events() {
			require.NoError(t, err)
			if ev.Data == "3" {
				break
			}
		}
		<-left
		require.Equal(t, io.EOF, st.Next())
		for range st.Events() {
			t.Error("an event after the end")
		}
		require.Len(t, tr.infos, 1)
		require.Equal(t, "2", tr.infos[0].LastEventID, "3 was in hand")
	})
}

// TestStreamAllocates nothing for an event that is borrowed.
func TestStreamAllocates(t *testing.T) {
	stream := &endless{text: "event: change\ndata: some data\n\nid: 1\ndata: more\n\n", max: math.MaxInt}
	c := sse.Client{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ProtoMajor: 1, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(stream)}, nil
	})}, IdleTimeout: time.Hour}
	st := c.Stream(get(t, "http://memnet/"))
	defer st.Close()
	advance := func() {
		if err := st.Next(); err != nil || len(st.Data()) == 0 || st.Type() == "" {
			t.Fatal(err)
		}
	}
	for range 10_000 { // the buffer has grown
		advance()
	}
	require.Zero(t, testing.AllocsPerRun(10_000, advance))
}

// TestStreamClose ends a Next at every stage, from another goroutine; and it ends a stream
// whose Next does not run.
func TestStreamClose(t *testing.T) {
	const after = 90 * time.Second
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		after   time.Duration
		hooked  int
	}{
		"waiting for the header":    {silent, after, 1},
		"waiting for an event":      {hold("id:1\n\n"), after, 1},
		"in the middle of an event": {hold("id:1\n\nid:2\ndata:2\n"), after, 1},
		"waiting for the refusal's body": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(503)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, time.Second / 2, 1},
		"waiting to reconnect": {stream("id:1\n\n"), after, 1},
	} {
		for _, http2 := range []bool{false, true} {
			in(t, name+map[bool]string{true: "/HTTP2"}[http2], func(t *testing.T) {
				s := serve(t, test.handler)
				if http2 {
					s.useHTTP2(t)
				}
				tr := record()
				c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, NewBackoff: every(time.Hour), Trace: tr.trace()}
				st := c.Stream(get(t, "http://memnet/"))
				time.AfterFunc(test.after, func() { require.NoError(t, st.Close()) })
				require.Equal(t, io.EOF, st.Next())
				require.Equal(t, test.after, time.Since(tr.start))
				require.Len(t, tr.infos, test.hooked)
				if name != "waiting to reconnect" {
					require.NoError(t, tr.infos[0].Err)
				}
				require.Equal(t, io.EOF, st.Next())
			})
		}
	}
	in(t, "before Next", func(t *testing.T) {
		s := serve(t)
		closed := false
		req := post(t, nil)
		req.Body = closer{strings.NewReader("x"), func() { closed = true }}
		st := (&sse.Client{HTTPClient: s.client}).Stream(req)
		require.NoError(t, st.Close())
		require.True(t, closed, "the caller's body")
		require.Equal(t, io.EOF, st.Next())
		require.Empty(t, s.requests)
	})
	in(t, "between two Nexts", func(t *testing.T) {
		left := make(chan bool, 1)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			hold("id:1\ndata:1\n\ndata:2\n\n")(w, r)
			left <- true
		})
		tr := record()
		st := (&sse.Client{HTTPClient: s.client, Trace: tr.trace()}).Stream(get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		done := make(chan bool)
		go func() { defer close(done); st.Close() }()
		<-done
		<-left
		require.Len(t, tr.infos, 1, "the connection is closed without another Next")
		require.Empty(t, tr.infos[0].LastEventID)
		require.Equal(t, "1", string(st.Data()))
		require.Equal(t, io.EOF, st.Next())
		require.Len(t, tr.infos, 1)
	})
	for name, hook := range map[string]func(c *sse.Client, f func()){
		"Prepare":       func(c *sse.Client, f func()) { c.Prepare = func(*http.Request) error { f(); return nil } },
		"Connect":       func(c *sse.Client, f func()) { c.Trace.Connect = func(*http.Request) { f() } },
		"CheckResponse": func(c *sse.Client, f func()) { c.CheckResponse = func(*http.Response) error { f(); return nil } },
		"Open":          func(c *sse.Client, f func()) { c.Trace.Open = func(*http.Response) { f() } },
		"Comment":       func(c *sse.Client, f func()) { c.Trace.Comment = func(string) { f() } },
		"Unknown":       func(c *sse.Client, f func()) { c.Trace.Unknown = func(string) { f() } },
		"Reconnect":     func(c *sse.Client, f func()) { c.Reconnect = func(error) bool { f(); return true } },
		"NewBackoff": func(c *sse.Client, f func()) {
			c.NewBackoff = func(d time.Duration) sse.Backoff { f(); return every(d)(d) }
		},
		"Disconnect": func(c *sse.Client, f func()) { c.Trace.Disconnect = func(sse.DisconnectInfo) { f() } },
	} {
		in(t, "in the hook "+name, func(t *testing.T) {
			s := serve(t, stream(":c\nunknown\n"), stream("data:1\n\n"), hold("data:2\n\n"))
			c := sse.Client{HTTPClient: s.client, Trace: new(sse.Trace)}
			var st *sse.Stream
			hook(&c, func() { st.Close() })
			st = c.Stream(get(t, "http://memnet/"))
			require.Equal(t, io.EOF, st.Next())
			require.LessOrEqual(t, len(s.requests), 1)
		})
	}
	t.Run("races", func(t *testing.T) {
		url := listenAndServe(t, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				send(w, "data:1\n\n")
			}
		})
		for range 50 {
			connects, disconnects := 0, 0
			c := sse.Client{HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Trace: &sse.Trace{
				Connect: func(*http.Request) { connects++ }, Disconnect: func(sse.DisconnectInfo) { disconnects++ }}}
			st := c.Stream(get(t, url))
			var wg sync.WaitGroup
			require.NoError(t, st.Next())
			for range 3 {
				wg.Go(func() { st.Close() })
			}
			n := 0
			for st.Next() == nil {
				n++
			}
			wg.Wait()
			require.Equal(t, io.EOF, st.Next())
			require.Equal(t, 1, connects)
			require.Equal(t, 1, disconnects)
		}
	})
	t.Run("races, and no Next follows", func(t *testing.T) {
		url := listenAndServe(t, hold(strings.Repeat("data:1\n\n", 100_000)))
		for range 200 {
			disconnects := 0
			c := sse.Client{HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
				Trace: &sse.Trace{Disconnect: func(sse.DisconnectInfo) { disconnects++ }}}
			st := c.Stream(get(t, url))
			require.NoError(t, st.Next())
			var stop atomic.Bool
			var wg sync.WaitGroup
			wg.Go(func() {
				for !stop.Load() && st.Next() == nil {
				}
			})
			stop.Store(true)
			st.Close()
			wg.Wait()
			require.Equal(t, 1, disconnects, "whichever call was last has closed the connection")
		}
	})
}

// TestRestart drops a connection, or cuts a wait short, and connects again.
func TestRestart(t *testing.T) {
	const hour = time.Hour
	never := func(err error) bool { t.Errorf("the policy was asked about %v", err); return false }
	in(t, "an open stream", func(t *testing.T) {
		s := serve(t, hold("id:1\ndata:1\n\nid:2\ndata:2\n\n"), hold("id:2\ndata:2\n\n"))
		tr := record()
		c := sse.Client{HTTPClient: s.client, Reconnect: never, NewBackoff: every(hour), Trace: tr.trace()}
		st := c.Stream(get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		st.Restart(errCause)
		require.NoError(t, st.Next())
		require.Equal(t, "2", string(st.Data()))
		require.Equal(t, "- 1", s.lastEventIDs(), "after the handled event, and nothing buffered is delivered")
		require.Zero(t, time.Since(tr.start))
		info := tr.infos[0]
		info.Request = nil
		require.Equal(t, sse.DisconnectInfo{Err: errCause, LastEventID: "1", Reconnect: true}, info)

		time.AfterFunc(time.Minute, func() { st.Restart(nil) }) // while Next waits
		require.Equal(t, io.EOF, st.Next())
		require.Equal(t, "- 1 2", s.lastEventIDs())
		require.Equal(t, time.Minute, time.Since(tr.start))
		require.EqualError(t, tr.infos[1].Err, "sse: the stream was restarted")
	})
	in(t, "of a POST, before its header", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, stream("data:1\n\n"))
		st := (&sse.Client{HTTPClient: s.client}).Stream(post(t, strings.NewReader("body")))
		time.AfterFunc(time.Minute, func() { st.Restart(nil) })
		require.NoError(t, st.Next())
		require.Equal(t, "body body", s.requests[0].body+" "+s.requests[1].body)
	})
	in(t, "whose body is spent", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"))
		st := (&sse.Client{HTTPClient: s.client}).Stream(post(t, io.MultiReader(strings.NewReader("body"))))
		require.NoError(t, st.Next())
		st.Restart(nil)
		require.EqualError(t, st.Next(), "sse: the request's body is spent, and it has no GetBody")
		require.Len(t, s.requests, 1)
	})
	in(t, "cuts a wait short", func(t *testing.T) {
		s := serve(t, status(503), stream("data:1\n\n"))
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, NewBackoff: every(hour)}
		st := c.Stream(get(t, "http://memnet/"))
		start := time.Now()
		time.AfterFunc(time.Minute, func() { st.Restart(nil) })
		require.NoError(t, st.Next())
		require.Equal(t, time.Minute, time.Since(start))
	})
	in(t, "a second one without progress waits, and no third cuts that short", func(t *testing.T) {
		s := serve(t, hold("id:1\ndata:1\n\n"), hold(""), hold("id:2\ndata:2\n\n"))
		tr := record()
		c := sse.Client{HTTPClient: s.client, Reconnect: never, NewBackoff: every(hour), Trace: tr.trace()}
		st := c.Stream(get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		restart := func() { st.Restart(errCause) }
		time.AfterFunc(0, restart)             // after progress
		time.AfterFunc(time.Second/2, restart) // without, as the connection was open for less than R
		time.AfterFunc(time.Minute, restart)   // in the wait
		require.NoError(t, st.Next())
		require.Equal(t, "2", string(st.Data()))
		require.Equal(t, []time.Duration{0, hour}, tr.waits)
		require.Equal(t, time.Second/2+hour, time.Since(tr.start))
		st.Close()
	})
	in(t, "open for longer than R is progress", func(t *testing.T) {
		s := serve(t, repeated(5, hold(""))...)
		tr := record()
		c := sse.Client{HTTPClient: s.client, NewBackoff: every(hour), Trace: tr.trace()}
		st := c.Stream(get(t, "http://memnet/"))
		for n := range 5 {
			time.AfterFunc(time.Duration(n+1)*1001*time.Millisecond, func() { st.Restart(nil) })
		}
		require.Equal(t, io.EOF, st.Next())
		require.Equal(t, make([]time.Duration, 5), tr.waits)
	})
	in(t, "after a failure, once", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"), status(503), status(503), stream("data:2\n\n"))
		tr := record()
		c := sse.Client{HTTPClient: s.client, NewBackoff: every(hour), Trace: tr.trace()}
		st := c.Stream(get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		for n := range 4 {
			time.AfterFunc(time.Duration(n+1)*time.Minute, func() { st.Restart(nil) })
		}
		require.NoError(t, st.Next())
		require.Equal(t, []time.Duration{time.Minute, hour, hour}, tr.waits)
	})
	in(t, "from the hook that reports the drop", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"), stream("data:2\n\n"))
		var st *sse.Stream
		c := sse.Client{HTTPClient: s.client, NewBackoff: every(hour), Trace: &sse.Trace{
			Disconnect: func(sse.DisconnectInfo) { st.Restart(nil) }}}
		st = c.Stream(get(t, "http://memnet/"))
		start := time.Now()
		require.NoError(t, st.Next())
		require.NoError(t, st.Next())
		require.Equal(t, "2", string(st.Data()))
		require.Zero(t, time.Since(start))
	})
	in(t, "before the first Next", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"), hold("data:2\n\n"))
		st := (&sse.Client{HTTPClient: s.client, NewBackoff: every(time.Minute)}).Stream(get(t, "http://memnet/"))
		st.Restart(nil)
		require.NoError(t, st.Next())
		require.Len(t, s.requests, 1)
		require.NoError(t, st.Next())
		require.Equal(t, []time.Duration{time.Minute}, s.waits(), "no later wait is cut short either")
		st.Close()
	})
	in(t, "before the end of the context", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"))
		ctx, cancel := context.WithCancelCause(t.Context())
		var st *sse.Stream
		c := sse.Client{HTTPClient: s.client, Trace: &sse.Trace{Open: func(*http.Response) { st.Restart(io.ErrNoProgress); cancel(errCause) }}}
		st = c.Stream(get(t, "http://memnet/").WithContext(ctx))
		require.Equal(t, errCause, st.Next())
	})
	in(t, "a Backoff that gives up", func(t *testing.T) {
		s := serve(t, hold(""), hold(""))
		st := (&sse.Client{HTTPClient: s.client, NewBackoff: every(-1)}).Stream(get(t, "http://memnet/"))
		time.AfterFunc(1, func() { st.Restart(errCause) })
		time.AfterFunc(2, func() { st.Restart(errCause) })
		err := st.Next()
		require.ErrorIs(t, err, errCause)
		require.EqualError(t, err, "sse: giving up: the cause")
	})
	in(t, "a cause that looks like another end", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"), hold("data:2\n\n"), hold("data:3\n\n"))
		st := (&sse.Client{HTTPClient: s.client}).Stream(get(t, "http://memnet/"))
		for _, cause := range []error{io.EOF, context.Canceled} {
			require.NoError(t, st.Next())
			st.Restart(cause)
		}
		require.NoError(t, st.Next())
		require.Equal(t, "3", string(st.Data()))
		st.Close()
	})
	t.Run("races", func(t *testing.T) {
		var next atomic.Int64
		url := listenAndServe(t, func(w http.ResponseWriter, r *http.Request) {
			last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
			for n := last + 1; r.Context().Err() == nil; n++ {
				send(w, "retry:10\nid:"+strconv.Itoa(n)+"\ndata:1\n\n")
			}
		})
		st := (&sse.Client{HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}).Stream(get(t, url))
		defer st.Close()
		restarts := make(chan bool)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range restarts {
					st.Restart(nil)
				}
			})
		}
		for n := range 1000 {
			require.NoError(t, st.Next())
			require.Equal(t, strconv.FormatInt(next.Add(1), 10), st.LastEventID(), "each event once, and in order")
			if n%20 == 0 {
				restarts <- true // while the next events arrive
			}
		}
		close(restarts)
		wg.Wait()
	})
}

// TestContinue: the stream of a response that is there already.
func TestContinue(t *testing.T) {
	open := func(t *testing.T, s *server) *http.Response {
		req := post(t, strings.NewReader("{}"))
		req.Header.Set("Accept", "application/json, text/event-stream")
		resp, err := s.client.Do(req)
		require.NoError(t, err)
		return resp
	}
	in(t, "resumed by a GET", func(t *testing.T) {
		s := serve(t, stream("id:1\ndata:1\n\n"), cut("id:2\ndata:2\n\nid:3\ndata:lost"), stream("id:3\ndata:3\n\n"))
		tr := record()
		c := sse.Client{HTTPClient: s.client, Trace: tr.trace(), CheckResponse: func(resp *http.Response) error {
			if resp.Request.Method == http.MethodPost {
				t.Error("checked again")
			}
			return nil
		}}
		resp := open(t, s)
		st := c.Continue(resp, get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		require.Same(t, resp, st.Response())
		got, err := all(t, st.Events())
		require.NoError(t, err)
		require.Equal(t, "2 3", data(got))
		require.Equal(t, "- 1 2 3", s.lastEventIDs())
		require.Len(t, tr.infos, 4)
		require.Equal(t, 3, tr.connects)
		require.Equal(t, http.MethodPost, tr.infos[0].Request.Method)
		require.Equal(t, []string{"POST", "GET", "GET", "GET"}, []string{s.requests[0].Method, s.requests[1].Method, s.requests[2].Method, s.requests[3].Method})
	})
	in(t, "whatever its status and label", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, "data:1\n\n")
		})
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Continue(open(t, s), nil).Events())
		require.NoError(t, err)
		require.Equal(t, "1", data(got))
	})
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		err     any
	}{
		"closed": {stream("data:1\n\n"), nil}, "cut": {cut("data:1\n\n"), io.ErrUnexpectedEOF}, "unfinished": {stream("data:1\n\ndata:2"), new(*sse.UnfinishedError)},
	} {
		in(t, "no request: "+name, func(t *testing.T) {
			s := serve(t, test.handler)
			c := sse.Client{HTTPClient: s.client, Reconnect: func(err error) bool { t.Errorf("the policy was asked about %v", err); return false }}
			got, err := all(t, c.Continue(open(t, s), nil).Events())
			requireError(t, test.err, err)
			require.Equal(t, "1", data(got))
			require.Len(t, s.requests, 1)
		})
	}
	in(t, "a request that may not be repeated", func(t *testing.T) {
		s := serve(t, cut("data:1\n\n"))
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Continue(open(t, s), post(t, strings.NewReader("{}"))).Events())
		require.Equal(t, io.ErrUnexpectedEOF, err)
		require.Len(t, s.requests, 1)
	})
	in(t, "an initial ID", func(t *testing.T) {
		s := serve(t, stream("data:1\n\n"))
		req := get(t, "http://memnet/")
		req.Header.Set("Last-Event-ID", "7")
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Continue(open(t, s), req).Events())
		require.NoError(t, err)
		require.Equal(t, "7", got[0].LastEventID)
		require.Equal(t, "- 7", s.lastEventIDs())
	})
	in(t, "contexts", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		s := serve(t, hold("data:1\n\n"), hold("data:2\n\n"))
		st := (&sse.Client{HTTPClient: s.client}).Continue(open(t, s), get(t, "http://memnet/").WithContext(ctx))
		require.NoError(t, st.Next())
		time.AfterFunc(time.Minute, func() { cancel(errCause) })
		require.Equal(t, errCause, st.Next())

		req := post(t, strings.NewReader("{}"))
		ctx, cancel = context.WithCancelCause(t.Context())
		resp, err := s.client.Do(req.WithContext(ctx))
		require.NoError(t, err)
		st = (&sse.Client{HTTPClient: s.client}).Continue(resp, nil)
		require.NoError(t, st.Next())
		time.AfterFunc(time.Minute, func() { cancel(errCause) })
		require.Equal(t, errCause, st.Next())
	})
	in(t, "IdleTimeout, Restart and Close", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"), hold("data:2\n\n"), hold("data:3\n\n"))
		st := (&sse.Client{HTTPClient: s.client, IdleTimeout: time.Minute}).Continue(open(t, s), get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		require.NoError(t, st.Next(), "after silence")
		st.Restart(nil)
		require.NoError(t, st.Next())
		require.Equal(t, "3", string(st.Data()))
		st.Close()
		require.Len(t, s.requests, 3)
	})
	in(t, "closed before Next", func(t *testing.T) {
		closed := 0
		st := new(sse.Client).Continue(&http.Response{Body: closer{strings.NewReader(""), func() { closed++ }}}, nil)
		st.Close()
		st.Close()
		require.Equal(t, 1, closed)
	})
	in(t, "the context of its request ends a body that ignores it", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		body := &stuckBody{Reader: strings.NewReader(""), closed: make(chan struct{})}
		st := new(sse.Client).Continue(&http.Response{Body: body, Request: get(t, "http://memnet/").WithContext(ctx)}, nil)
		time.AfterFunc(time.Minute, func() { cancel(errCause) })
		require.Equal(t, errCause, st.Next())
	})
	in(t, "without a body", func(t *testing.T) {
		st := new(sse.Client).Continue(&http.Response{}, nil)
		require.Equal(t, io.EOF, st.Next())
		st.Close()
		new(sse.Client).Continue(&http.Response{}, nil).Close()
	})
	in(t, "a response made by hand", func(t *testing.T) {
		resp := &http.Response{Body: io.NopCloser(strings.NewReader("data:1\n\ndata:2\n\n")), ProtoMajor: 1}
		st := new(sse.Client).Continue(resp, nil)
		require.NoError(t, st.Next())
		st.Close()
	})
}

// stuckBody ignores the context and waits until it is closed, as an io.Pipe does.
type stuckBody struct {
	io.Reader
	closed chan struct{}
	once   sync.Once
}

func (b *stuckBody) Read(p []byte) (int, error) {
	if n, _ := b.Reader.Read(p); n > 0 {
		return n, nil
	}
	<-b.closed
	return 0, errors.New("read on a closed body")
}

func (b *stuckBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// TestStuckRead: a RoundTripper that ignores its context cannot hold a Read. Whatever ends
// an attempt closes the body.
func TestStuckRead(t *testing.T) {
	client := func(c sse.Client, n *int) *sse.Client {
		c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			*n++
			return &http.Response{StatusCode: 200, ProtoMajor: 1, Header: http.Header{"Content-Type": {"text/event-stream"}},
				Body: &stuckBody{Reader: strings.NewReader("data:1\n\n"), closed: make(chan struct{})}}, nil
		})}
		return &c
	}
	in(t, "context", func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errCause)
		defer cancel()
		n := 0
		_, err := all(t, client(sse.Client{}, &n).Get(ctx, "http://memnet/"))
		require.Equal(t, errCause, err)
	})
	in(t, "IdleTimeout", func(t *testing.T) {
		n := 0
		st := client(sse.Client{IdleTimeout: time.Minute}, &n).Stream(get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		require.NoError(t, st.Next())
		require.Equal(t, 2, n)
		st.Close()
	})
	in(t, "Close", func(t *testing.T) {
		n := 0
		st := client(sse.Client{}, &n).Stream(get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		time.AfterFunc(time.Minute, func() { st.Close() })
		require.Equal(t, io.EOF, st.Next())
	})
	in(t, "Restart", func(t *testing.T) {
		n := 0
		st := client(sse.Client{}, &n).Stream(get(t, "http://memnet/"))
		require.NoError(t, st.Next())
		time.AfterFunc(time.Minute, func() { st.Restart(nil) })
		require.NoError(t, st.Next())
		require.Equal(t, 2, n)
		st.Close()
	})
	in(t, "break, and a Close that never returns", func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		c := sse.Client{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}},
				Body: closer{strings.NewReader("data:1\n\n"), func() { <-release }}}, nil
		})}}
		start := time.Now()
		for range c.Get(t.Context(), "http://memnet/") {
			break
		}
		assert.Equal(t, time.Second, time.Since(start))
	})
}
