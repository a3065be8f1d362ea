package check

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// A feed is a handler that does everything right, but for what its fields change: an event
// each time some time has passed, with the numbers from 1 as IDs. It is the feed of
// ssetest's tests of TestHandler, made for real time: what is wrong is one of these fields.
type feed struct {
	header func(h http.Header)
	before func(w http.ResponseWriter, r *http.Request) (done bool)
	event  func(n int) string
	first  func(r *http.Request) int
	every  time.Duration
	last   int  // events, then after
	unsent bool // it does not flush
	after  func(w http.ResponseWriter, r *http.Request)
}

func (f feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if f.header != nil {
		f.header(w.Header())
	}
	if f.before != nil && f.before(w, r) {
		return
	}
	flush := func() {
		if !f.unsent {
			_ = http.NewResponseController(w).Flush()
		}
	}
	flush()
	if r.Method == http.MethodHead {
		return
	}
	first, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if f.first != nil {
		first = f.first(r)
	}
	every := f.every
	if every == 0 {
		every = 400 * time.Millisecond
	}
	for n := first + 1; f.last == 0 || n <= f.last; n++ {
		event := numbered(n)
		if f.event != nil {
			event = f.event(n)
		}
		if _, err := io.WriteString(w, event); err != nil {
			return
		}
		flush()
		if pause(r, every) {
			return
		}
	}
	if f.after != nil {
		f.after(w, r)
	}
}

func numbered(n int) string { return fmt.Sprintf("id: %d\ndata: event %d\n\n", n, n) }

func pause(r *http.Request, d time.Duration) (left bool) {
	select {
	case <-time.After(d):
		return false
	case <-r.Context().Done():
		return true
	}
}

// silent sends nothing more until the client leaves.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// comments sends one each half second.
func comments(w http.ResponseWriter, r *http.Request) {
	for !pause(r, 500*time.Millisecond) {
		_, _ = io.WriteString(w, ":\n\n")
		_ = http.NewResponseController(w).Flush()
	}
}
