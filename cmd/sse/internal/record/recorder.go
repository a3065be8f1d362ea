// Package record records streams: what a client asks for and what a server sends, as it
// comes from the connection, in the format of internal/recording.
package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"github.com/lastevent/sse/internal/recording"
)

// MaxSize is how many bytes a recording has at most: as many as can be played.
const MaxSize = recording.MaxSize

// ErrFull ends a recording that has as many bytes, or steps, as it may have.
var ErrFull = errors.New("the recording is full")

// Options are what a recording leaves out.
type Options struct {
	Redact   bool             // credentials
	Patterns []*regexp.Regexp // what they match, or their first group does
	MaxSize  int64            // bytes of the file; 0: MaxSize
}

// A Recorder writes what its transports see to a recording.
type Recorder struct {
	Options
	start  time.Time
	redact *redactor
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	w        *recording.Writer
	unclosed map[*connection]bool
	count    Count
	err      error // what ended the recording
}

// Count is what a recording has.
type Count struct {
	Connections int
	Steps       int
	Bytes       int64 // of the file
}

// New returns a Recorder that writes to w, each step at once. If that fails, or the
// recording is full, it calls cancel with the error and writes no more.
func New(w io.Writer, o Options, cancel context.CancelCauseFunc) *Recorder {
	r := &Recorder{Options: o, start: time.Now(), cancel: cancel, unclosed: make(map[*connection]bool)}
	if r.MaxSize <= 0 || r.MaxSize > MaxSize {
		r.MaxSize = MaxSize
	}
	if o.Redact || len(o.Patterns) > 0 {
		r.redact = &redactor{patterns: o.Patterns, credentials: o.Redact}
	}
	r.w = recording.NewWriter(&limited{w, r}, r.start)
	return r
}

// limited writes no more than a recording may have, and no part of a line. The Recorder's
// lock is held, but for the first line.
type limited struct {
	w io.Writer
	r *Recorder
}

func (l *limited) Write(p []byte) (n int, err error) {
	r := l.r
	if r.count.Bytes+int64(len(p)) > r.MaxSize || r.count.Steps > recording.MaxSteps {
		r.err = ErrFull
	} else if n, err = l.w.Write(p); err != nil {
		r.err = fmt.Errorf("writing the recording: %w", err)
	}
	r.count.Bytes += int64(n)
	r.count.Steps++ // and the first line
	if r.err != nil {
		r.cancel(r.err)
	}
	return n, r.err
}

// Count returns what has been recorded so far.
func (r *Recorder) Count() Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Secrets has the secrets of a request's body looked for from the beginning.
func (r *Recorder) Secrets(contentType string, body []byte) {
	if r.redact != nil {
		r.redact.body(contentType, body)
	}
}

// Hide returns a text without what the recording leaves out.
func (r *Recorder) Hide(text string) string { return r.redact.text(text) }

// Close ends the connections that are still recorded: the client leaves them.
func (r *Recorder) Close() {
	r.mu.Lock()
	var open []*connection
	for c := range r.unclosed {
		open = append(open, c)
	}
	r.mu.Unlock()
	now := time.Now()
	for _, c := range open {
		c.finish(now, recording.Wait)
	}
}

// connect begins a connection, and returns its number; 0: the recording is over.
func (r *Recorder) connect(c *connection, at time.Time, method, target string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.w.Connect(r.at(at), method, target)
	if err != nil {
		return 0
	}
	r.unclosed[c] = true
	r.count.Connections++
	return n
}

// write writes a step. One that does not fit those before it is left out: a server may send
// what cannot be played.
func (r *Recorder) write(at time.Time, s recording.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.At = r.at(at)
	_ = r.w.Write(s)
}

func (r *Recorder) forget(c *connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.unclosed, c)
}

// at returns the time of a step: in units that are as exact as a recording is.
func (r *Recorder) at(t time.Time) time.Duration {
	return max(0, t.Sub(r.start).Round(recording.Resolution))
}
