package ssetest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
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

// bytesOnly has a handler write bytes, and no strings.
type bytesOnly struct{ http.Handler }

func (b bytesOnly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.Handler.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
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
	queue  bool // news wait for five seconds
	ends   bool // after three events
	size   int  // of the data
	keep   int  // events for clients that reconnect; 0: all

	mu      sync.Mutex
	events  []string
	clients map[chan struct{}]bool
	next    int // for clients that share
}

func (h *hub) publish(int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.events) + 1
	h.events = append(h.events, fmt.Sprintf("id: %d\ndata: %s\n\n", n, strings.Repeat("x", max(1, h.size))))
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
	woken := false
	for sent := lastID(r); ; {
		h.mu.Lock()
		if h.shares && r.Header.Get("Last-Event-ID") == "" {
			sent = max(sent, h.next)
			h.next = len(h.events)
		}
		if h.keep > 0 {
			sent = max(sent, len(h.events)-h.keep)
		}
		for ; sent < len(h.events); sent++ {
			_, _ = out.WriteString(h.events[sent])
		}
		h.mu.Unlock()
		if h.queue && woken && pause(r, 5*time.Second) {
			return
		}
		_ = out.Flush()
		_ = http.NewResponseController(w).Flush()
		if h.ends && sent >= 3 {
			return
		}
		select {
		case <-news:
			woken = true
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
