package ssetest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A feed is a handler that does everything right, but for what its fields change: an event
// each second for half a minute, with the numbers from 1 as IDs, and then heartbeats.
type feed struct {
	header func(h http.Header)
	before func(w http.ResponseWriter, r *http.Request) (done bool)
	event  func(n int) string
	first  func(r *http.Request) int
	flush  func(what string, flush func())              // of "header", "event" or "heartbeat"
	after  func(w http.ResponseWriter, r *http.Request) // instead of heartbeats
	sleep  func(r *http.Request, d time.Duration) (left bool)
}

func (f feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	if f.header != nil {
		f.header(w.Header())
	}
	if f.before != nil && f.before(w, r) {
		return
	}
	flush := func(what string) {
		do := func() { _ = http.NewResponseController(w).Flush() }
		if f.flush != nil {
			f.flush(what, do)
		} else {
			do()
		}
	}
	flush("header")
	if r.Method == http.MethodHead {
		return
	}
	sleep := func(d time.Duration) bool {
		if f.sleep != nil {
			return f.sleep(r, d)
		}
		return pause(r, d)
	}
	first := lastID(r)
	if f.first != nil {
		first = f.first(r)
	}
	for n := first + 1; n <= 30; n++ {
		event := fmt.Sprintf("id: %d\ndata: %d\n\n", n, n)
		if f.event != nil {
			event = f.event(n)
		}
		_, _ = io.WriteString(w, event)
		flush("event")
		if sleep(time.Second) {
			return
		}
	}
	if f.after != nil {
		f.after(w, r)
		return
	}
	for !sleep(30 * time.Second) {
		_, _ = io.WriteString(w, ":\n\n")
		flush("heartbeat")
	}
}

// lastID returns the number in the Last-Event-ID, 0 if there is none.
func lastID(r *http.Request) int {
	n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	return n
}

func pause(r *http.Request, d time.Duration) (left bool) {
	select {
	case <-time.After(d):
		return false
	case <-r.Context().Done():
		return true
	}
}

func header(name, value string) func(http.Header) {
	return func(h http.Header) { h.Set(name, value) }
}

func text(format string) func(int) string {
	return func(n int) string { return fmt.Sprintf(strings.ReplaceAll(format, "N", "%[1]d"), n) }
}

// A hub sends what is published to its clients, as it should be done in miniature, but for
// what its fields change. It has a mutex, and no goroutine.
type hub struct {
	shares bool // an event goes to one client only
	queue  bool // what is published waits for five seconds

	mu      sync.Mutex
	events  []string
	clients map[chan struct{}]bool
	next    int // of those who share
}

func (h *hub) publish(int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.events) + 1
	h.events = append(h.events, fmt.Sprintf("id: %d\ndata: %d\n\n", n, n))
	for c := range h.clients {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Accel-Buffering", "no")
	out := bufio.NewWriter(w)
	_ = http.NewResponseController(w).Flush()
	if r.Method == http.MethodHead {
		return
	}
	news := make(chan struct{}, 1)
	h.mu.Lock()
	if h.clients == nil {
		h.clients = make(map[chan struct{}]bool)
	}
	h.clients[news] = true
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.clients, news)
	}()
	for sent := lastID(r); ; {
		h.mu.Lock()
		if h.shares && r.Header.Get("Last-Event-ID") == "" {
			sent = max(sent, h.next)
			h.next = len(h.events)
		}
		for ; sent < len(h.events); sent++ {
			_, _ = out.WriteString(h.events[sent])
		}
		h.mu.Unlock()
		if h.queue && pause(r, 5*time.Second) {
			return
		}
		_ = out.Flush()
		_ = http.NewResponseController(w).Flush()
		select {
		case <-news:
		case <-time.After(15 * time.Second):
			_, _ = out.WriteString(":\n\n")
		case <-r.Context().Done():
			return
		}
	}
}

// with returns a hub, and the option that it needs.
func with(h *hub) func() (http.Handler, []Option) {
	return func() (http.Handler, []Option) { return h, []Option{WithPublish(h.publish)} }
}

// of returns a feed, which needs none.
func of(f feed) func() (http.Handler, []Option) {
	return func() (http.Handler, []Option) { return f, nil }
}

// badHandlers are caught by exactly one subtest of TestHandler each.
var badHandlers = []struct {
	name, caught string
	make         func() (http.Handler, []Option)
}{
	{"JSON", "media type", of(feed{header: header("Content-Type", "application/json")})},
	{"no Content-Type", "media type", of(feed{header: func(h http.Header) { h["Content-Type"] = nil }})},
	{"Latin-1", "media type", of(feed{header: header("Content-Type", "text/event-stream; charset=latin1")})},

	{"header after a while", "header at once", of(feed{before: func(_ http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodGet && pause(r, maxHeader+time.Millisecond)
	}})},
	{"header with the next event", "header at once", of(feed{flush: func(what string, flush func()) {
		if what != "header" {
			flush()
		}
	}})},
	{"neither header nor event", "header at once", of(feed{before: func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			<-r.Context().Done()
		}
		return true
	}})},
	{"cuts the connection", "header at once", of(feed{before: func(http.ResponseWriter, *http.Request) bool {
		panic(http.ErrAbortHandler)
	}})},

	{"compressed", "no length and no coding", of(feed{header: header("Content-Encoding", "gzip")})},
	{"length", "no length and no coding", of(feed{header: header("Content-Length", "1000000")})},

	{"says nothing of caches", "no caching", of(feed{header: func(h http.Header) { h.Del("Cache-Control") }})},
	{"for caches", "no caching", of(feed{header: header("Cache-Control", "public, max-age=60")})},

	{"lets nginx buffer", "no proxy buffering", of(feed{header: func(h http.Header) { h.Del("X-Accel-Buffering") }})},

	{"Connection: keep-alive", "HTTP/2", of(feed{header: header("Connection", "keep-alive")})},
	{"connection: close", "HTTP/2", of(feed{header: func(h http.Header) { h["connection"] = []string{"close"} }})},
	{"Transfer-Encoding", "HTTP/2", of(feed{header: header("Transfer-Encoding", "chunked")})},
	{"Keep-Alive", "HTTP/2", of(feed{header: header("Keep-Alive", "timeout=60")})},
	{"refuses HTTP/2", "HTTP/2", of(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.ProtoMajor == 2 {
			http.Error(w, "no Hijacker", http.StatusInternalServerError)
		}
		return r.ProtoMajor == 2
	}})},
	{"no events over HTTP/2", "HTTP/2", of(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.ProtoMajor == 2 {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		return r.ProtoMajor == 2
	}})},
	{"no header over HTTP/2", "HTTP/2", of(feed{before: func(_ http.ResponseWriter, r *http.Request) bool {
		if r.ProtoMajor == 2 {
			<-r.Context().Done()
		}
		return r.ProtoMajor == 2
	}})},

	{"unfinished", "events finished and flushed", of(feed{event: text("\nid: N\ndata: N\n")})}, // the empty line comes with the next event
	{"no events", "events finished and flushed", of(feed{event: text(": N\n\n")})},
	{"never flushes", "events finished and flushed", of(feed{flush: func(string, func()) {}})},
	{"flushes the header only", "events finished and flushed", of(feed{flush: func(what string, flush func()) {
		if what == "header" {
			flush()
		}
	}})},
	{"flushes heartbeats only", "events finished and flushed", of(feed{flush: func(what string, flush func()) {
		if what != "event" {
			flush()
		}
	}})},
	{"flushes events with the next one", "events finished and flushed", func() (http.Handler, []Option) {
		var writes atomic.Int32
		return feed{flush: func(what string, flush func()) {
			if what != "event" || writes.Add(1)%2 == 0 {
				flush()
			}
		}}, nil
	}},
	{"publishes late", "events finished and flushed", with(&hub{queue: true})},

	{"no UTF-8", "UTF-8", of(feed{event: text("id: N\ndata: \xff\n\n")})},

	{"LF in data", "line breaks", of(feed{event: text("id: N\ndata: one\ntwo\n\n")})},
	{"CR in data", "line breaks", of(feed{event: text("id: N\ndata: one\rtwo\n\n")})},
	{"CRLF in data", "line breaks", of(feed{event: text("id: N\ndata: one\r\ntwo\r\n\r\n")})},

	{"no heartbeats", "heartbeat", of(feed{after: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})},
	{"rare heartbeats", "heartbeat", of(feed{after: func(w http.ResponseWriter, r *http.Request) {
		for !pause(r, maxSilence+time.Millisecond) {
			_, _ = io.WriteString(w, ":\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	}})},
	{"heartbeats without a flush", "heartbeat", of(feed{flush: func(what string, flush func()) {
		if what != "heartbeat" {
			flush()
		}
	}})},

	{"no IDs", "IDs", of(feed{event: text("data: N\n\n")})},
	{"NUL in ID", "IDs", of(feed{event: text("id: \x00N\ndata: N\n\n")})},
	{"control character in ID", "IDs", of(feed{event: text("id: \x01N\ndata: N\n\n")})},
	{"long ID", "IDs", of(feed{event: func(n int) string { return fmt.Sprintf("id: %08193d\ndata: %d\n\n", n, n) }})},

	{"starts again", "resumption", of(feed{first: func(*http.Request) int { return 0 }})},
	{"repeats one", "resumption", of(feed{first: func(r *http.Request) int { return max(lastID(r)-1, 0) }})},
	{"leaves one out", "resumption", of(feed{first: func(r *http.Request) int {
		if n := lastID(r); n > 0 {
			return n + 1
		}
		return 0
	}})},
	{"leaves out what was missed", "resumption", of(feed{first: func(r *http.Request) int {
		if n := lastID(r); n > 0 {
			return 30
		}
		return 0
	}})},
	{"repeats all after the newest", "resumption", of(feed{first: func(r *http.Request) int { return lastID(r) % 30 }})},
	{"refuses to resume", "resumption", of(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
		n := lastID(r)
		if n > 0 && n < 30 {
			http.Error(w, "gone", http.StatusGone)
			return true
		}
		return false
	}})},
	{"hangs when it should resume", "resumption", of(feed{before: func(_ http.ResponseWriter, r *http.Request) bool {
		n := lastID(r)
		if n > 0 && n < 30 {
			<-r.Context().Done()
		}
		return n > 0 && n < 30
	}})},

	{"refuses the newest ID", "resumption", of(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
		if lastID(r) == 30 {
			http.Error(w, "not yet", http.StatusNotFound)
			return true
		}
		return false
	}})},

	{"refuses an unknown ID", "unknown ID", of(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
		if _, err := strconv.Atoi("0" + r.Header.Get("Last-Event-ID")); err != nil {
			http.Error(w, "no such ID", http.StatusBadRequest)
			return true
		}
		return false
	}})},
	{"silent after an unknown ID", "unknown ID", of(feed{first: func(r *http.Request) int {
		if n, err := strconv.Atoi("0" + r.Header.Get("Last-Event-ID")); err == nil {
			return n
		}
		return 30
	}})},
	{"panics at an unknown ID", "unknown ID", of(feed{first: func(r *http.Request) int {
		n, err := strconv.Atoi("0" + r.Header.Get("Last-Event-ID"))
		if err != nil {
			panic(err)
		}
		return n
	}})},

	{"retry with a unit", "retry", of(feed{event: text("retry: 3s\nid: N\ndata: N\n\n")})},
	{"negative retry", "retry", of(feed{event: text("retry: -1\nid: N\ndata: N\n\n")})},
	{"retry at once", "retry", of(feed{event: text("retry: 0\nid: N\ndata: N\n\n")})},
	{"retry in a day", "retry", of(feed{event: text("retry: 86400000\nid: N\ndata: N\n\n")})},
	{"retry after millions of years", "retry", of(feed{event: text("retry: 99999999999999999999\nid: N\ndata: N\n\n")})},

	{"stays after its client", "client leaves", of(feed{sleep: func(_ *http.Request, d time.Duration) bool {
		time.Sleep(d)
		return false
	}})},
	{"never returns", "client leaves", of(feed{sleep: func(r *http.Request, d time.Duration) bool {
		if pause(r, d) {
			select {}
		}
		return false
	}})},

	{"stays after HEAD", "HEAD", of(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		return false
	}})},
	{"never returns from HEAD", "HEAD", of(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			select {}
		}
		return false
	}})},

	{"cuts the stream of the first client", "second client", func() (http.Handler, []Option) {
		var last atomic.Pointer[http.Request]
		return feed{
			before: func(_ http.ResponseWriter, r *http.Request) bool { last.Store(r); return false },
			sleep: func(r *http.Request, d time.Duration) bool {
				left := pause(r, d)
				if last.Load() != r {
					panic(http.ErrAbortHandler)
				}
				return left
			},
		}, nil
	}},
	{"ends the stream of the first client", "second client", func() (http.Handler, []Option) {
		var last atomic.Pointer[http.Request]
		return feed{
			before: func(_ http.ResponseWriter, r *http.Request) bool { last.Store(r); return false },
			sleep:  func(r *http.Request, d time.Duration) bool { return pause(r, d) || last.Load() != r },
		}, nil
	}},
	{"forgets the first client with the second", "second client", func() (http.Handler, []Option) {
		var clients, left atomic.Int32
		return feed{sleep: func(r *http.Request, d time.Duration) bool {
			gone := pause(r, d)
			if left.Load() > 0 {
				<-r.Context().Done()
			}
			return gone
		}, before: func(_ http.ResponseWriter, r *http.Request) bool {
			clients.Add(1)
			go func() {
				<-r.Context().Done()
				left.Store(clients.Add(-1))
			}()
			return false
		}}, nil
	}},
	{"nothing for a second client", "second client", func() (http.Handler, []Option) {
		var clients atomic.Int32
		return feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			defer clients.Add(1)
			if clients.Load() == 0 {
				go func() { <-r.Context().Done(); clients.Store(0) }()
				return false
			}
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		}}, nil
	}},
	{"events go to one client each", "second client", with(&hub{shares: true})},
	{"each second event for each of two clients", "second client", func() (http.Handler, []Option) {
		var active atomic.Int32
		return feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			place := int(active.Add(1))
			defer active.Add(-1)
			for n := lastID(r) + 1; r.Method == http.MethodGet; n++ {
				text := ":\n\n"
				if n <= 30 && (active.Load() == 1 || n%2 == place%2) {
					text = fmt.Sprintf("id: %d\ndata: %d\n\n", n, n)
				}
				_ = http.NewResponseController(w).Flush() // the header
				if pause(r, time.Second) {
					return true
				}
				_, _ = io.WriteString(w, text)
				_ = http.NewResponseController(w).Flush()
			}
			return true
		}}, nil
	}},
}

// caught returns the subtests that a handler fails.
func caught(t *testing.T, h http.Handler, opts ...Option) (names []string) {
	options := newHandlerOptions(opts)
	for _, check := range handlerChecks {
		if _, ok := options.without[check.name]; ok {
			continue
		}
		var f *FakeTB
		check.inBubble(t, func(t *testing.T) {
			f = &FakeTB{TB: t}
			f.Run(func() { check.test(f, h, options) })
			f.End()
		})
		if messages := f.Messages(); len(messages) > 0 {
			names = append(names, check.name)
			t.Log(messages)
		}
	}
	return names
}

// TestBadHandlers: each is caught by exactly the subtest that should, and the failure names
// a clause, a proxy or a header field, and what happens to clients.
func TestBadHandlers(t *testing.T) {
	names := make(map[string]bool)
	for _, bad := range badHandlers {
		names[bad.caught] = true
		t.Run(bad.name, func(t *testing.T) {
			if bad.caught == "HTTP/2" && !http2InBubbles() {
				t.Skip("net/http's HTTP/2 server does not run in several bubbles before Go 1.26")
			}
			h, opts := bad.make()
			require.Equal(t, []string{bad.caught}, caught(t, h, opts...))
		})
	}
	for _, check := range handlerChecks {
		require.True(t, names[check.name], "no handler is caught by %q", check.name)
	}
}

// TestGoodHandlers: handlers of several styles pass everything, and what one cannot do by
// design is no fault.
func TestGoodHandlers(t *testing.T) {
	TestHandler(t, feed{})
	t.Run("a hub from before", func(t *testing.T) {
		h := new(hub)
		TestHandler(t, h, WithPublish(h.publish))
	})
	t.Run("a hub with a goroutine", func(t *testing.T) {
		var publish func(n int)
		TestHandler(t, nil, WithPublish(func(n int) { publish(n) }), WithNew(func(t testing.TB) http.Handler {
			h := new(hub)
			news := make(chan int)
			publish = func(n int) { news <- n }
			go func() {
				for n := range news {
					h.publish(n)
				}
			}()
			t.Cleanup(func() { close(news) })
			return h
		}))
	})
	t.Run("an event each second, and no heartbeats", func(t *testing.T) {
		TestHandler(t, feed{after: func(w http.ResponseWriter, r *http.Request) {
			for n := max(31, lastID(r)+1); !pause(r, time.Second); n++ {
				fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
				_ = http.NewResponseController(w).Flush()
			}
		}})
	})
	t.Run("CRLF, a BOM, a charset, several lines", func(t *testing.T) {
		TestHandler(t, feed{
			header: func(h http.Header) {
				h.Set("Content-Type", `Text/Event-Stream;charset="UTF-8"`)
				h.Set("Cache-Control", "private, No-Cache")
				h.Set("Content-Encoding", "identity")
			},
			event: func(n int) string {
				bom := ""
				if n == 1 {
					bom = "\ufeff"
				}
				return bom + fmt.Sprintf("retry:10\r\nid:%d\r\nevent\r\ndata:é\r\ndata:%d\r\n: note\r\n\r\n", n, n)
			},
		})
	})
	t.Run("CR, in pieces", func(t *testing.T) {
		TestHandler(t, feed{event: func(n int) string { return fmt.Sprintf("retry:3600000\rid:%d\rdata:%d\r\r", n, n) }, flush: func(_ string, flush func()) {
			flush()
			flush()
		}})
	})
	t.Run("flushes ten times a second", func(t *testing.T) {
		TestHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
			flush := make(chan func())
			go func() {
				for ctx.Err() == nil {
					select {
					case <-time.After(100 * time.Millisecond):
						(<-flush)()
					case <-ctx.Done():
					}
				}
			}()
			wait := func(r *http.Request, d time.Duration) bool {
				for end := time.After(d); ; {
					select {
					case <-end:
						return false
					case <-r.Context().Done():
						return true
					case flush <- func() { _ = http.NewResponseController(w).Flush() }:
					}
				}
			}
			feed{sleep: wait, flush: func(what string, flush func()) {
				if what != "event" {
					flush()
				}
			}}.ServeHTTP(w, r)
		}))
	})
	t.Run("a stream that ends, and 405 for HEAD", func(t *testing.T) {
		TestHandler(t, feed{
			before: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodHead {
					http.Error(w, "GET only", http.StatusMethodNotAllowed)
				}
				return r.Method == http.MethodHead
			},
			after: func(http.ResponseWriter, *http.Request) {},
		})
	})
	t.Run("a stream that ends, and 204 after its end", func(t *testing.T) {
		TestHandler(t, feed{
			before: func(w http.ResponseWriter, r *http.Request) bool {
				if lastID(r) == 30 {
					w.WriteHeader(http.StatusNoContent)
				}
				return lastID(r) == 30
			},
			after: func(http.ResponseWriter, *http.Request) {},
		})
	})
	t.Run("more events than are watched", func(t *testing.T) {
		TestHandler(t, feed{event: func(n int) string { return fmt.Sprintf("id: %d\ndata: %s\n\n", n, strings.Repeat("x", 20<<10)) }})
	})
	t.Run("endless, as fast as it can", func(t *testing.T) {
		TestHandler(t, feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			for n := lastID(r) + 1; r.Method == http.MethodGet && r.Context().Err() == nil; n++ {
				fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
				_ = http.NewResponseController(w).Flush()
			}
			return true
		}})
	})
	t.Run("returns some time after its client", func(t *testing.T) {
		TestHandler(t, feed{sleep: func(r *http.Request, d time.Duration) bool {
			time.Sleep(min(d, maxLeaving-time.Second))
			return r.Context().Err() != nil
		}})
	})
	t.Run("behind a path, with a token", func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("GET /feed", feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") != "Bearer t" {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			return false
		}})
		mux.Handle("/", http.RedirectHandler("/feed", http.StatusTemporaryRedirect))
		TestHandler(t, mux, WithRequest(func(r *http.Request) { r.Header.Set("Authorization", "Bearer t") }))
	})
}

// TestWithout: what an option leaves out is skipped, and nothing else.
func TestWithout(t *testing.T) {
	never := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, test := range map[string]struct {
		handler feed
		option  Option
		without []string
	}{
		"IDs":        {feed{event: text("data: N\n\n"), first: func(*http.Request) int { return 0 }}, WithoutIDs("prices are of the moment"), []string{"IDs", "resumption", "unknown ID"}},
		"heartbeats": {feed{after: never}, WithoutHeartbeats("on one machine"), []string{"heartbeat"}},
		"proxies":    {feed{header: func(h http.Header) { h.Del("X-Accel-Buffering") }}, WithoutProxies("on one machine"), []string{"no proxy buffering"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEmpty(t, caught(t, test.handler))
			TestHandler(t, test.handler, test.option)
			options := newHandlerOptions([]Option{test.option})
			require.Len(t, options.without, len(test.without))
			for _, name := range test.without {
				require.NotEmpty(t, options.without[name])
			}
		})
	}
}

// TestEvents finds where events end, however their lines end.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var chunks []chunk
		start := time.Now()
		for _, text := range []string{"da", "ta: 1\n", "\nretry: 1\n\n:\n\n", "data\r", "\r", "id: 1\r\ndata: 2\r\n", "\r\n", "\n\ndata: 3\n\ndata: 4\n\n", "data: 5\n"} {
			chunks = append(chunks, chunk{time.Now(), text})
			time.Sleep(time.Second)
		}
		var found []string
		for _, ev := range events(chunks) {
			found = append(found, fmt.Sprint(ev.end, " ", ev.at.Sub(start)))
		}
		require.Equal(t, []string{"9 2s", "28 4s", "46 6s", "57 7s", "66 7s"}, found)
	})
}
