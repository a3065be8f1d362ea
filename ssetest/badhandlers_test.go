package ssetest

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// badHandlers are caught by exactly one subtest of TestHandler each.
var badHandlers = []struct {
	name, caught string
	make         func() (http.Handler, []Option)
}{
	{"JSON", "media type", of(feed{header: header("Content-Type", "application/json")})},
	{"no Content-Type", "media type", of(feed{header: func(h http.Header) { h["Content-Type"] = nil }})},
	{"Latin-1", "media type", of(feed{header: header("Content-Type", "text/event-stream; charset=latin1")})},

	{"not found", "media type", func() (http.Handler, []Option) { return http.NotFoundHandler(), nil }},
	{"a stream of a failure", "media type", of(feed{before: func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusInternalServerError)
		return false
	}})},

	{"header after a while", "header at once", of(feed{before: func(_ http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodGet && r.Header.Get("Last-Event-ID") == "" && pause(r, time.Second+time.Millisecond)
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

	{"wants nginx to buffer", "no proxy buffering", of(feed{header: header("X-Accel-Buffering", "yes")})},

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
	{"a single event, and none over HTTP/2", "HTTP/2", of(feed{
		before: func(w http.ResponseWriter, r *http.Request) bool {
			if r.ProtoMajor == 2 {
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
			return r.ProtoMajor == 2
		},
		event: func(n int) string {
			if n > 1 {
				return ":\n\n"
			}
			return "id: 1\ndata: 1\n\n"
		},
	})},
	{"no header over HTTP/2", "HTTP/2", of(feed{before: func(_ http.ResponseWriter, r *http.Request) bool {
		if r.ProtoMajor == 2 {
			<-r.Context().Done()
		}
		return r.ProtoMajor == 2
	}})},

	{"unfinished", "events finished and flushed", of(feed{event: text("\nid: N\ndata: N\n")})}, // the empty line comes with the next event
	{"no events", "events finished and flushed", of(feed{event: text(": N\n\n")})},
	{"never flushes", "events finished and flushed", of(feed{flush: func(string, func()) {}})},
	{"never flushes its bytes", "events finished and flushed", func() (http.Handler, []Option) {
		return bytesOnly{feed{flush: func(string, func()) {}}}, nil
	}},
	{"never flushes its rare events", "events finished and flushed", of(feed{
		flush: func(string, func()) {},
		sleep: func(r *http.Request, d time.Duration) bool { return pause(r, 2*d) },
	})},
	{"ends within an event", "events finished and flushed", of(feed{
		event: func(n int) string {
			return strings.TrimSuffix(text("id: N\ndata: N\n\n")(n), strings.Repeat("\n", n/30))
		},
		after: func(http.ResponseWriter, *http.Request) {},
	})},
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
		for !pause(r, time.Minute+time.Millisecond) {
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
	{"leaves out a later one", "resumption", func() (http.Handler, []Option) {
		var start atomic.Int32
		return feed{first: func(r *http.Request) int {
			start.Store(int32(lastID(r)))
			return lastID(r)
		}, event: func(n int) string {
			if s := int(start.Load()); s > 0 && n == s+2 {
				return ": left out\n\n"
			}
			return fmt.Sprintf("id: %d\ndata: %d\n\n", n, n)
		}}, nil
	}},
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
	{"stays after its client, behind a redirect", "client leaves", func() (http.Handler, []Option) {
		mux := http.NewServeMux()
		mux.Handle("/feed", feed{sleep: func(_ *http.Request, d time.Duration) bool {
			time.Sleep(d)
			return false
		}})
		mux.Handle("/", http.RedirectHandler("/feed", http.StatusTemporaryRedirect))
		return mux, nil
	}},
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

	{"cuts streams at a HEAD request", "HEAD", func() (http.Handler, []Option) {
		var heads atomic.Int32
		return feed{
			before: func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodHead {
					heads.Add(1)
				}
				return false
			},
			sleep: func(r *http.Request, d time.Duration) bool {
				before := heads.Load()
				left := pause(r, d)
				if heads.Load() != before {
					panic(http.ErrAbortHandler)
				}
				return left
			},
		}, nil
	}},

	{"cuts the stream of the first client", "second client", replaces(func() { panic(http.ErrAbortHandler) })},
	{"ends the stream of the first client", "second client", replaces(func() {})},
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
			if r.Method == http.MethodHead {
				return false
			}
			go func() { <-r.Context().Done(); clients.Add(-1) }()
			if clients.Add(1) == 1 {
				return false
			}
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		}}, nil
	}},
	{"events go to one client each", "second client", with(&hub{shares: true})},
	{"each second event for each of two clients", "second client", func() (http.Handler, []Option) {
		var visits, active atomic.Int32
		return feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			visit := int(visits.Add(1))
			active.Add(1)
			defer active.Add(-1)
			_ = http.NewResponseController(w).Flush() // the header
			for n := lastID(r) + 1; r.Method == http.MethodGet; n++ {
				if pause(r, time.Second) {
					return true
				}
				text := ":\n\n"
				if n <= 30 && (active.Load() == 1 || n%2 == visit%2) { // the handler of a client that has left has returned by now
					text = fmt.Sprintf("id: %d\ndata: %d\n\n", n, n)
				}
				_, _ = io.WriteString(w, text)
				_ = http.NewResponseController(w).Flush()
			}
			return true
		}}, nil
	}},
}

// replaces is a feed that ends a client's stream some time after the next client has come.
func replaces(end func()) func() (http.Handler, []Option) {
	type visit struct {
		r  *http.Request
		at time.Time
	}
	return func() (http.Handler, []Option) {
		var last atomic.Pointer[visit]
		return feed{
			before: func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet {
					last.Store(&visit{r, time.Now()})
				}
				return false
			},
			sleep: func(r *http.Request, d time.Duration) bool {
				left := pause(r, d)
				if next := last.Load(); next.r != r && time.Since(next.at) > 15*time.Second {
					end()
					return true
				}
				return left
			},
		}, nil
	}
}
