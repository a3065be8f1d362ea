package ssetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/recording"
)

// A Recorder writes down what a client does, with the time of each step since the
// Recorder was made, as a recording:
//
//	sse-recording 1
//	0s         1 connect GET "/"
//	0s         1 status 200
//	0s         1 event message "a" id "1"
//	5s         1 drop # unexpected EOF; again in 1.2s
//	6.2s       2 connect GET "/"
//	6.2s       2 header Last-Event-Id "1"
//	6.2s       2 status 204
//	6.2s       2 end
//	# 6.2s end
//
// In a testing/synctest bubble, and with a Backoff that is not random, a recording is the
// same in each run: it may be kept in a file, and a change of behaviour seen in a diff.
// [Replay] plays the events to another client.
type Recorder struct {
	start  time.Time
	timed  bool
	mu     sync.Mutex
	out    strings.Builder
	to     *recording.Writer
	conn   int  // the latest connection
	open   bool // it has not ended
	status bool // it has a status
	traced bool // Trace's hooks see the connections
}

// NewRecorder returns a Recorder whose time starts now.
func NewRecorder() *Recorder {
	r := &Recorder{start: time.Now(), timed: true}
	r.to = recording.NewWriter(&r.out, time.Time{})
	return r
}

// String returns the recording so far.
func (r *Recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// Trace returns hooks that record connections and comments, for a Client's Trace.
func (r *Recorder) Trace() *sse.Trace {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.traced = true
	return &sse.Trace{
		Connect: func(req *http.Request) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.connect(req.Method, req.URL.RequestURI())
			for _, id := range req.Header["Last-Event-Id"] {
				r.add(recording.Step{Kind: recording.Header, Name: "Last-Event-Id", Value: id})
			}
		},
		Open: func(resp *http.Response) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.addStatus(resp.StatusCode)
		},
		Comment: func(text string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.add(recording.Step{Kind: recording.Bytes, Value: ":" + text + "\n"})
		},
		Disconnect: func(info sse.DisconnectInfo) {
			r.mu.Lock()
			defer r.mu.Unlock()
			var comment []string
			if info.Err != nil {
				comment = append(comment, info.Err.Error())
			}
			if info.Reconnect {
				comment = append(comment, "again in "+round(info.Delay))
			}
			r.end(info.Err, strings.Join(comment, "; "))
		},
	}
}

// Events returns events, and records them and how the range over them ended.
func (r *Recorder) Events(events iter.Seq2[sse.Event, error]) iter.Seq2[sse.Event, error] {
	return func(yield func(sse.Event, error) bool) {
		for ev, err := range events {
			if err != nil {
				r.over(err, "error: "+err.Error()) // which is the end
				yield(ev, err)
				return
			}
			r.event(ev)
			if !yield(ev, nil) {
				r.over(nil, "left")
				return
			}
		}
		r.over(io.EOF, "end")
	}
}

// The methods below are called with r.mu held, but event, over and comment.

func (r *Recorder) now() time.Duration {
	if !r.timed {
		return 0
	}
	return time.Since(r.start).Round(time.Millisecond)
}

func (r *Recorder) add(s recording.Step) {
	s.At, s.Conn = r.now(), r.conn
	if err := r.to.Write(s); err != nil {
		_ = r.to.Comment(fmt.Sprintf("%s %s %q: %v", s.At, s.Kind, s.Value, err))
	}
}

func (r *Recorder) connect(method, target string) {
	if n, err := r.to.Connect(r.now(), method, target); err == nil {
		r.conn, r.open, r.status = n, true, false
	}
}

func (r *Recorder) addStatus(code int) {
	r.status = true
	r.add(recording.Step{Kind: recording.Status, Code: code})
}

func (r *Recorder) event(ev sse.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open {
		r.connect("", "")
	}
	r.status = true
	r.add(recording.Step{Kind: recording.Event, Name: ev.Type, Value: ev.Data, ID: ev.LastEventID})
}

// over records the end of a range.
func (r *Recorder) over(err error, comment string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.traced {
		_ = r.to.Comment(round(r.now()) + " " + comment)
		return
	}
	var refusal *sse.ResponseError
	if r.open && r.status && errors.As(err, &refusal) { // of the next connection
		r.end(io.EOF, "")
	}
	if !r.open {
		r.connect("", "")
	}
	r.end(err, comment)
}

// comment records how a range ended that ends no connection.
func (r *Recorder) comment(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.to.Comment(text)
}

// end records what ended a connection: a refusal, the server, the network or the client.
func (r *Recorder) end(err error, comment string) {
	kind := recording.Drop
	var refusal *sse.ResponseError
	var unfinished *sse.UnfinishedError
	switch {
	case errors.As(err, &refusal) && !r.status:
		kind = recording.End
		r.addRefusal(refusal)
	case err == nil && r.traced && !r.status:
		kind = recording.End
		r.addStatus(http.StatusNoContent)
	case err == io.EOF, errors.As(err, &unfinished):
		kind = recording.End
	case err == nil, errors.Is(err, sse.ErrIdleTimeout), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		kind = recording.Wait
	}
	r.add(recording.Step{Kind: kind, Comment: comment})
	r.open = false
}

// addRefusal records a response that opened no stream: what decides what a client does next.
func (r *Recorder) addRefusal(refusal *sse.ResponseError) {
	r.addStatus(refusal.StatusCode)
	for _, name := range []string{"Content-Type", "Location", "Retry-After", "Retry-After-Ms"} {
		for _, value := range refusal.Header[name] {
			r.add(recording.Step{Kind: recording.Header, Name: name, Value: value})
		}
	}
	if len(refusal.Body) > 0 && !slices.Contains([]int{http.StatusNoContent, http.StatusNotModified}, refusal.StatusCode) {
		r.add(recording.Step{Kind: recording.Bytes, Value: string(refusal.Body)})
	}
}
