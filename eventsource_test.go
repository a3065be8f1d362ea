package sse_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// A log is what the listeners of an EventSource saw, with the state they saw it in.
type log struct {
	es    *sse.EventSource
	lines []string
}

func (l *log) add(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...)+" "+l.es.ReadyState().String())
}

// listen logs all that es tells, and events of the types that are given.
func listen(es *sse.EventSource, types ...string) *log {
	l := &log{es: es}
	es.OnOpen(func(resp *http.Response) { l.add("open %d", resp.StatusCode) })
	es.OnMessage(func(ev sse.Event) { l.add("message %q", ev.Data) })
	es.OnError(func(err error) { l.add("error %v", err) })
	for _, typ := range types {
		es.AddEventListener(typ, func(ev sse.Event) { l.add("%s %q", typ, ev.Data) })
	}
	return l
}

// byURL makes the server the one that http.DefaultClient reaches, and returns an
// EventSource on it that has no more than a URL.
func byURL(t *testing.T, s *server) *sse.EventSource {
	before := http.DefaultClient
	http.DefaultClient = s.client
	t.Cleanup(func() { http.DefaultClient = before })
	es, err := sse.NewEventSource("http://memnet/feed?a=b")
	require.NoError(t, err)
	return es
}

func TestReadyState(t *testing.T) {
	require.Equal(t, "CONNECTING OPEN CLOSED ReadyState(3)", fmt.Sprint(sse.Connecting, sse.Open, sse.Closed, sse.ReadyState(3)))
	require.Equal(t, []sse.ReadyState{0, 1, 2}, []sse.ReadyState{sse.Connecting, sse.Open, sse.Closed})
}

// TestEventSource is a life with every kind of end to a connection.
func TestEventSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream("retry:100\ndata:1\n\n"), cut("event:e\ndata:2\n\ndata:lost\n"), raw("", false), status(503))
		es := byURL(t, s)
		l := listen(es, "e")
		require.Equal(t, sse.Connecting, es.ReadyState())
		err := es.Run(t.Context())
		require.ErrorAs(t, err, new(*sse.ResponseError))
		nothing := "EOF" // in place of a response
		if *overLean {
			nothing = "lean: the server closed the connection without a response: unexpected EOF"
		}
		require.Equal(t, []string{
			"open 200 OPEN", `message "1" OPEN`, "error EOF CONNECTING",
			"open 200 OPEN", `e "2" OPEN`, "error unexpected EOF CONNECTING",
			`error Get "http://memnet/feed?a=b": ` + nothing + ` CONNECTING`,
			`error sse: GET http://memnet/feed: 503 Service Unavailable: "data: refused" CLOSED`,
		}, l.lines)
		require.EqualError(t, es.Run(t.Context()), "sse: EventSource.Run can be called once")
	})
}

// TestEventSourceOfClient has the client's settings and its Trace.
func TestEventSourceOfClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream("id:8\n:alive\nfoo:bar\ndata:1\n\n"), status(503, "Retry-After", "7"))
		tr := record()
		trace := tr.trace()
		trace.Unknown = func(line string) { tr.add("unknown %q", line) }
		c := sse.Client{HTTPClient: s.client, NewBackoff: every(time.Second), Trace: trace}
		req := get(t, "http://memnet/")
		req.Header.Set("Last-Event-ID", "7")
		es := c.EventSource(req)
		l := listen(es)
		require.NoError(t, es.Run(t.Context()))
		require.Equal(t, "7 8 8", s.lastEventIDs())
		require.Equal(t, []string{"open 200 OPEN", `message "1" OPEN`, "error EOF CONNECTING",
			`error sse: GET http://memnet/: 503 Service Unavailable: "data: refused" CONNECTING`, "error sse: 204 No Content CLOSED"}, l.lines)
		require.Equal(t, 3, tr.connects)
		require.Len(t, tr.infos, 3)
		for _, hook := range []string{"connect", "open", `comment "alive"`, `unknown "foo:bar"`, "disconnect"} {
			require.Contains(t, tr.String(), hook)
		}
	})
	in := func(name string, handler http.HandlerFunc, want ...string) {
		in(t, name, func(t *testing.T) {
			s := serve(t, handler)
			es := (&sse.Client{HTTPClient: s.client, Reconnect: func(error) bool { return false }}).EventSource(get(t, "http://memnet/"))
			l := listen(es)
			err := es.Run(t.Context())
			require.Equal(t, want, l.lines)
			require.Equal(t, name == "clean close", err == nil)
		})
	}
	in("clean close", stream("data:1\n\n"), "open 200 OPEN", `message "1" OPEN`, "error EOF CLOSED")
	in("cut", cut("data:1\n\n"), "open 200 OPEN", `message "1" OPEN`, "error unexpected EOF CLOSED")
}

// TestListeners: order, adding and removing, also while they run.
func TestListeners(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream(strings.Repeat("data:1\n\n", 4)))
		es := (&sse.Client{HTTPClient: s.client}).EventSource(get(t, "http://memnet/"))
		var calls strings.Builder
		call := func(name string) func(sse.Event) { return func(sse.Event) { calls.WriteString(name) } }
		var removeA, removeC func()
		n := 0
		removeA = es.AddEventListener("message", func(sse.Event) {
			calls.WriteString("a")
			removeA() // itself
			removeA()
		})
		es.OnMessage(call("x"))
		es.AddEventListener("message", func(sse.Event) {
			calls.WriteString("b")
			switch n++; n {
			case 1:
				removeC() // one that would be next
				es.AddEventListener("message", call("d"))
			case 2:
				es.OnMessage(call("m")) // in its old place
				es.OnMessage(call("M"))
			case 3:
				es.OnMessage(nil)
				es.OnMessage(nil)
			case 4:
				calls.WriteString(";")
			}
		})
		removeC = es.AddEventListener("message", call("c"))
		es.AddEventListener("other", call("o"))
		es.AddEventListener("message", nil)
		require.NoError(t, es.Run(t.Context()))
		require.Equal(t, "axb"+"xbd"+"Mbd"+"b;d", calls.String())
	})
}

// TestHandlerReplaced while an event is on its way to it: the new one gets it.
func TestHandlerReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream("data:1\n\ndata:2\n\n"))
		es := (&sse.Client{HTTPClient: s.client}).EventSource(get(t, "http://memnet/"))
		var got []string
		es.AddEventListener("message", func(ev sse.Event) {
			if ev.Data == "1" {
				es.OnMessage(func(ev sse.Event) { got = append(got, "new "+ev.Data) })
			}
		})
		es.OnMessage(func(ev sse.Event) { got = append(got, "old "+ev.Data) })
		require.NoError(t, es.Run(t.Context()))
		require.Equal(t, []string{"new 1", "new 2"}, got)
	})
}

// TestListenerForNoType: the empty type is none that an event can have, and an error is no
// event.
func TestListenerForNoType(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream("event:\ndata:1\n\n"))
		es := (&sse.Client{HTTPClient: s.client, Reconnect: func(error) bool { return false }}).EventSource(get(t, "http://memnet/"))
		l := listen(es, "")
		require.NoError(t, es.Run(t.Context()))
		require.Equal(t, []string{"open 200 OPEN", `message "1" OPEN`, "error EOF CLOSED"}, l.lines)

		s = serve(t, cut("data:1\n\n"))
		es = (&sse.Client{HTTPClient: s.client, Reconnect: func(error) bool { return false }}).EventSource(get(t, "http://memnet/"))
		l = listen(es, "")
		require.Error(t, es.Run(t.Context()))
		require.Equal(t, []string{"open 200 OPEN", `message "1" OPEN`, "error unexpected EOF CLOSED"}, l.lines)
	})
}

// TestRemovedListenerIsLetGo: an EventSource keeps nothing of a listener that was removed.
func TestRemovedListenerIsLetGo(t *testing.T) {
	es := new(sse.Client).EventSource(get(t, "http://memnet/"))
	held := func() weak.Pointer[[1 << 16]byte] {
		value := new([1 << 16]byte)
		es.AddEventListener("e", func(sse.Event) { value[0]++ })()
		return weak.Make(value)
	}()
	runtime.GC()
	require.Nil(t, held.Value())
	runtime.KeepAlive(es)
}

// TestServersOpenAndError: events with these names go only to their listeners.
func TestServersOpenAndError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, stream("event:open\ndata:1\n\nevent:error\ndata:2\n\n"))
		es := (&sse.Client{HTTPClient: s.client, Reconnect: func(error) bool { return false }}).EventSource(get(t, "http://memnet/"))
		l := listen(es, "open", "error")
		require.NoError(t, es.Run(t.Context()))
		require.Equal(t, []string{"open 200 OPEN", `open "1" OPEN`, `error "2" OPEN`, "error EOF CLOSED"}, l.lines)
	})
}

// TestClose: from every callback and from outside, at every stage: nothing is called after it.
func TestClose(t *testing.T) {
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		arrange func(es *sse.EventSource)
		want    []string
		took    time.Duration
	}{
		"in OnOpen": {hold("data:1\n\n"), func(es *sse.EventSource) { es.OnOpen(func(*http.Response) { es.Close() }) }, nil, 0},
		"in a listener, with more of them and events to follow": {hold("event:e\ndata:1\n\nevent:e\ndata:2\n\n"),
			func(es *sse.EventSource) {
				es.AddEventListener("e", func(sse.Event) { es.Close(); es.Close() })
				es.AddEventListener("e", func(ev sse.Event) { t.Errorf("called after Close, for %v", ev) })
			}, []string{"open 200 OPEN"}, 0},
		"in OnError":        {stream(""), func(es *sse.EventSource) { es.OnError(func(error) { es.Close() }) }, []string{"open 200 OPEN"}, 0},
		"before the header": {silent, func(es *sse.EventSource) { time.AfterFunc(time.Minute, es.Close) }, nil, time.Minute},
		"while open":        {hold("data:1\n\n"), func(es *sse.EventSource) { time.AfterFunc(time.Minute, es.Close) }, []string{"open 200 OPEN", `message "1" OPEN`}, time.Minute},
		"while waiting": {stream(""), func(es *sse.EventSource) { time.AfterFunc(time.Minute, es.Close) },
			[]string{"open 200 OPEN", "error EOF CONNECTING"}, time.Minute},
		"before Run": {silent, func(es *sse.EventSource) { es.Close() }, nil, 0},
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, test.handler)
			c := sse.Client{HTTPClient: s.client, NewBackoff: every(time.Hour)}
			es := c.EventSource(get(t, "http://memnet/"))
			l := listen(es)
			test.arrange(es)
			start := time.Now()
			require.NoError(t, es.Run(t.Context()))
			require.Equal(t, test.took, time.Since(start))
			require.Equal(t, sse.Closed, es.ReadyState())
			require.Equal(t, test.want, l.lines)
		})
	}
	in(t, "from many goroutines", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				send(w, "data:1\n\n")
				pause(r, time.Millisecond)
			}
		})
		es := (&sse.Client{HTTPClient: s.client}).EventSource(get(t, "http://memnet/"))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				remove := es.AddEventListener("message", func(sse.Event) {})
				time.Sleep(50 * time.Millisecond)
				_ = es.ReadyState()
				remove()
				es.Close()
			})
		}
		require.NoError(t, es.Run(t.Context()))
		wg.Wait()
	})
	in(t, "after a second Run", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"))
		es := (&sse.Client{HTTPClient: s.client}).EventSource(get(t, "http://memnet/"))
		es.OnMessage(func(sse.Event) {
			require.ErrorContains(t, es.Run(t.Context()), "can be called once")
			require.Equal(t, sse.Open, es.ReadyState())
			time.AfterFunc(time.Minute, es.Close)
		})
		require.NoError(t, es.Run(t.Context())) // a bubble in which everyone waits fails
	})
	in(t, "panic in a listener", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"))
		es := (&sse.Client{HTTPClient: s.client}).EventSource(get(t, "http://memnet/"))
		es.OnMessage(func(sse.Event) { panic("listener") })
		require.PanicsWithValue(t, "listener", func() { _ = es.Run(t.Context()) })
		require.Equal(t, sse.Closed, es.ReadyState())
	})
}

// TestContexts: the stream ends with the context of Run, and with that of the request.
func TestContexts(t *testing.T) {
	for _, of := range []string{"Run", "request"} {
		in(t, of, func(t *testing.T) {
			s := serve(t, hold("data:1\n\n"))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			time.AfterFunc(time.Minute, func() { cancel(errCause) })
			req, runCtx := get(t, "http://memnet/"), ctx
			if of == "request" {
				req, runCtx = req.WithContext(ctx), t.Context()
			}
			es := (&sse.Client{HTTPClient: s.client}).EventSource(req)
			l := listen(es)
			require.Equal(t, errCause, es.Run(runCtx))
			require.Equal(t, []string{"open 200 OPEN", `message "1" OPEN`, "error the cause CLOSED"}, l.lines)
		})
	}
}

type key string

// TestContextValues: those of Run's context and of the request's are there, Run's first.
func TestContextValues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t)
		req := get(t, "http://memnet/")
		req = req.WithContext(context.WithValue(context.WithValue(t.Context(), key("a"), "request"), key("b"), "request"))
		var got []any
		c := sse.Client{HTTPClient: s.client, Prepare: func(r *http.Request) error {
			got = append(got, r.Context().Value(key("a")), r.Context().Value(key("b")), r.Context().Value(key("c")))
			return nil
		}}
		require.NoError(t, c.EventSource(req).Run(context.WithValue(t.Context(), key("a"), "Run")))
		require.Equal(t, []any{"Run", "request", nil}, got)
	})
}

// TestNewEventSourceDelay: close to the reconnection time at first, growing after it.
func TestNewEventSourceDelay(t *testing.T) {
	var longest time.Duration // of the first waits
	for range 200 {
		bubble(t, func(t *testing.T) {
			s := serve(t, stream("retry:2000\n"), stream(""), stream(""))
			require.NoError(t, byURL(t, s).Run(t.Context()))
			waits := s.waits()
			requireWithin(t, 2*time.Second, 2500*time.Millisecond, waits[0])
			longest = max(longest, waits[0])
			requireWithin(t, 4*time.Second, 8*time.Second, waits[1])
			requireWithin(t, 8*time.Second, 16*time.Second, waits[2])
		})
	}
	require.Greater(t, longest, 2400*time.Millisecond, "a quarter of the reconnection time is used")
}

// TestCloseFromOutside: no listener is called after Close has returned, except for one that
// was being called at that moment, which no lock can hold back.
func TestCloseFromOutside(t *testing.T) {
	url := listenAndServe(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			send(w, strings.Repeat("data:1\n\n", 100))
		}
	})
	for range 100 {
		c := sse.Client{HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
		es := c.EventSource(get(t, url))
		var calls, closed, after atomic.Int64
		flowing := make(chan bool, 1)
		listener := func(sse.Event) {
			calls.Add(1)
			after.Add(closed.Load())
			select {
			case flowing <- true:
			default:
			}
		}
		es.OnMessage(listener)
		es.AddEventListener("message", listener)
		done := make(chan error)
		go func() { done <- es.Run(t.Context()) }()
		<-flowing
		<-flowing
		es.Close()
		closed.Store(1)
		require.NoError(t, <-done)
		require.Equal(t, sse.Closed, es.ReadyState())
		require.LessOrEqual(t, after.Load(), int64(1), "of %d calls", calls.Load())
	}
}
