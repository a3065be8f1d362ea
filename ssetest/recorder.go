package ssetest

import (
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

// A Recorder writes down what a client does, with the time of each step since the
// Recorder was made:
//
//	0s      connect ""
//	0s      open
//	0s      event message "a" id "1"
//	5s      disconnect: unexpected EOF; again in 1.2s
//	6.2s    connect "1"
//
// In a testing/synctest bubble, and with a Backoff that is not random, a transcript is the
// same in each run: it may be kept in a file, and a change of behaviour seen in a diff.
type Recorder struct {
	start time.Time
	mu    sync.Mutex
	out   strings.Builder
}

// NewRecorder returns a Recorder whose time starts now.
func NewRecorder() *Recorder { return &Recorder{start: time.Now()} }

// String returns the transcript so far.
func (r *Recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

func (r *Recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(&r.out, "%-7s %s\n", round(time.Since(r.start)), fmt.Sprintf(format, args...))
}

// Trace returns hooks that record connections and comments, for a Client's Trace.
func (r *Recorder) Trace() *sse.Trace {
	return &sse.Trace{
		Connect: func(req *http.Request) { r.add("connect %q", req.Header.Get("Last-Event-ID")) },
		Open:    func(*http.Response) { r.add("open") },
		Comment: func(text string) { r.add("comment %q", text) },
		Disconnect: func(info sse.DisconnectInfo) {
			line := "disconnect"
			if info.Err != nil {
				line += ": " + info.Err.Error()
			}
			if info.Reconnect {
				line += "; again in " + round(info.Delay)
			}
			r.add("%s", line)
		},
	}
}

// Events returns events, and records them and how the range over them ended.
func (r *Recorder) Events(events iter.Seq2[sse.Event, error]) iter.Seq2[sse.Event, error] {
	return func(yield func(sse.Event, error) bool) {
		for ev, err := range events {
			if err != nil {
				r.add("error: %v", err) // which is the end
				yield(ev, err)
				return
			}
			r.add("%s", describe(ev))
			if !yield(ev, nil) {
				r.add("left")
				return
			}
		}
		r.add("end")
	}
}
