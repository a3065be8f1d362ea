package ssetest

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	_ = http.NewResponseController(w).Flush()
	if r.Method == http.MethodHead && f.sleep == nil {
		return
	}
	flush := func() { _ = http.NewResponseController(w).Flush() }
	sleep := func(d time.Duration) bool {
		if f.sleep != nil {
			return f.sleep(r, d)
		}
		return pause(r, d)
	}
	first, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if f.first != nil {
		first = f.first(r)
	}
	for n := first + 1; n <= 30; n++ {
		event := fmt.Sprintf("id: %d\ndata: %d\n\n", n, n)
		if f.event != nil {
			event = f.event(n)
		}
		_, _ = io.WriteString(w, event)
		flush()
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
		flush()
	}
}

func pause(r *http.Request, d time.Duration) (left bool) {
	select {
	case <-time.After(d):
		return false
	case <-r.Context().Done():
		return true
	}
}

// badHandlers are caught by exactly one subtest of TestHandler each.
var badHandlers = []struct {
	name, caught string
	make         func() http.Handler
}{
	{"JSON", "media type", of(feed{header: func(h http.Header) { h.Set("Content-Type", "application/json") }})},
	{"Latin-1", "media type", of(feed{header: func(h http.Header) { h.Set("Content-Type", "text/event-stream; charset=latin1") }})},
	{"late header", "header at once", of(feed{before: func(_ http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodGet && pause(r, 20*time.Second)
	}})},
	{"compressed", "no length and no coding", of(feed{header: func(h http.Header) { h.Set("Content-Encoding", "gzip") }})},
	{"length", "no length and no coding", of(feed{header: func(h http.Header) { h.Set("Content-Length", "1000000") }})},
	{"unfinished", "events finished and flushed", of(feed{event: func(n int) string { // the empty line comes with the next event
		return fmt.Sprintf("\nid: %d\ndata: %d\n", n, n)
	}})},
	{"no UTF-8", "UTF-8", of(feed{event: func(n int) string { return fmt.Sprintf("id: %d\ndata: \xff\n\n", n) }})},
	{"LF in data", "line breaks", of(feed{event: func(n int) string { return fmt.Sprintf("id: %d\ndata: one\ntwo\n\n", n) }})},
	{"CR in data", "line breaks", of(feed{event: func(n int) string { return fmt.Sprintf("id: %d\ndata: one\rtwo\n\n", n) }})},
	{"no heartbeats", "heartbeat", of(feed{after: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})},
	{"rare heartbeats", "heartbeat", of(feed{after: func(w http.ResponseWriter, r *http.Request) {
		for !pause(r, maxSilence+time.Second) {
			_, _ = io.WriteString(w, ":\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	}})},
	{"no IDs", "IDs", of(feed{event: func(n int) string { return fmt.Sprintf("data: %d\n\n", n) }})},
	{"NUL in ID", "IDs", of(feed{event: func(n int) string { return fmt.Sprintf("id: \x00%d\ndata: %d\n\n", n, n) }})},
	{"long ID", "IDs", of(feed{event: func(n int) string { return fmt.Sprintf("id: %08193d\ndata: %d\n\n", n, n) }})},
	{"starts again", "resumption", of(feed{first: func(*http.Request) int { return 0 }})},
	{"repeats one", "resumption", of(feed{first: func(r *http.Request) int {
		n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		return max(n-1, 0)
	}})},
	{"leaves one out", "resumption", of(feed{first: func(r *http.Request) int {
		n, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		if err == nil {
			n++
		}
		return n
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
	{"retry with a unit", "retry", of(feed{event: func(n int) string { return fmt.Sprintf("retry: 3s\nid: %d\ndata: %d\n\n", n, n) }})},
	{"retry at once", "retry", of(feed{event: func(n int) string { return fmt.Sprintf("retry: 0\nid: %d\ndata: %d\n\n", n, n) }})},
	{"retry in a day", "retry", of(feed{event: func(n int) string { return fmt.Sprintf("retry: 86400000\nid: %d\ndata: %d\n\n", n, n) }})},
	{"stays after its client", "client leaves", of(feed{
		before: func(_ http.ResponseWriter, r *http.Request) bool { return r.Method == http.MethodHead },
		sleep:  func(_ *http.Request, d time.Duration) bool { time.Sleep(d); return false },
	})},
	{"stays after HEAD", "HEAD", of(feed{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		return false
	}})},
	{"one client at a time", "second client", func() http.Handler {
		var mu sync.Mutex
		leave := func() {}
		return feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			leave() // the one before
			leave = func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Now()) }
			return false
		}}
	}},
}

func of(f feed) func() http.Handler { return func() http.Handler { return f } }

// caught returns the subtests that a handler fails.
func caught(t *testing.T, h http.Handler, opts ...Option) (names []string) {
	options := newHandlerOptions(opts)
	for _, check := range handlerChecks {
		if _, ok := options.without[check.name]; ok {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			f := &trialTB{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				check.test(f, h, options)
			}()
			<-done
			for _, cleanup := range slices.Backward(f.cleanups) {
				cleanup()
			}
			if len(f.messages) > 0 {
				names = append(names, check.name)
				t.Log(f.messages)
			}
		})
	}
	return names
}

// A trialTB is a test that may fail.
type trialTB struct {
	testing.TB
	mu       sync.Mutex
	messages []string
	cleanups []func()
}

func (f *trialTB) Helper()              {}
func (f *trialTB) Cleanup(fn func())    { f.cleanups = append(f.cleanups, fn) }
func (f *trialTB) Logf(string, ...any)  {}
func (f *trialTB) Skipf(string, ...any) { runtime.Goexit() }
func (f *trialTB) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, fmt.Sprintf(format, args...))
}

func (f *trialTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// TestBadHandlers: each is caught by exactly the subtest that should.
func TestBadHandlers(t *testing.T) {
	for _, bad := range badHandlers {
		t.Run(bad.name, func(t *testing.T) {
			require.Equal(t, []string{bad.caught}, caught(t, bad.make()))
		})
	}
}

// TestGoodHandlers: what a handler cannot do by design is no fault.
func TestGoodHandlers(t *testing.T) {
	TestHandler(t, feed{})
	t.Run("without IDs", func(t *testing.T) {
		TestHandler(t, feed{event: func(n int) string { return fmt.Sprintf("data: %d\n\n", n) }}, WithoutIDs("prices are of the moment"))
	})
	t.Run("without heartbeats", func(t *testing.T) {
		TestHandler(t, feed{after: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}, WithoutHeartbeats("on one machine"))
	})
	t.Run("with a publisher", func(t *testing.T) {
		var news chan int
		TestHandler(t, nil, WithoutIDs("news is of the moment"),
			WithRequest(func(r *http.Request) { r.URL.Path = "/news" }),
			WithPublish(func(n int) {
				for range 2 {
					select {
					case news <- n:
					default:
					}
				}
			}),
			WithNew(func(t testing.TB) http.Handler {
				news = make(chan int, 20)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/news" {
						http.NotFound(w, r)
						return
					}
					w.Header().Set("Content-Type", "text/event-stream")
					_ = http.NewResponseController(w).Flush()
					if r.Method == http.MethodHead {
						return
					}
					for {
						select {
						case n := <-news:
							fmt.Fprintf(w, "data: %s\n\n", strings.Repeat("x", n))
						case <-time.After(30 * time.Second):
							_, _ = io.WriteString(w, ":\n\n")
						case <-r.Context().Done():
							return
						}
						_ = http.NewResponseController(w).Flush()
					}
				})
			}))
	})
}
