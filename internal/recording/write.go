package recording

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// A Writer writes a recording, each step with one call of the Writer below it: what is
// written to a file is not lost with the process. Several goroutines may use it at once.
type Writer struct {
	mu    sync.Mutex
	w     io.Writer
	order order
	line  []byte
	err   error
}

// NewWriter returns a Writer, and writes the first line. A zero start is not written.
func NewWriter(w io.Writer, start time.Time) *Writer {
	line := magic + " 1"
	if !start.IsZero() {
		line += " " + start.UTC().Format(time.RFC3339Nano)
	}
	_, err := io.WriteString(w, line+"\n")
	return &Writer{w: w, err: err}
}

// Write writes a step. A time before that of the last step becomes that time, since two
// goroutines may take their times in one order and write in another. A step that does not
// fit those before it is an error, and is not written. After an error of the Writer below
// Write returns that error.
func (w *Writer) Write(s Step) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.write(s)
}

// write is Write. The caller holds w.mu.
func (w *Writer) write(s Step) error {
	if w.err != nil {
		return w.err
	}
	s.At = max(s.At, w.order.last)
	if err := w.order.check(&s); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	w.line = appendStep(w.line[:0], &s)
	_, w.err = w.w.Write(w.line)
	if cap(w.line) > 64<<10 {
		w.line = nil
	}
	return w.err
}

// Connect begins a connection, and returns its number.
func (w *Writer) Connect(at time.Duration, method, target string) (conn int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	conn = len(w.order.conns) + 1
	return conn, w.write(Step{At: at, Conn: conn, Kind: Connect, Name: method, Value: target})
}

// WriteTo writes the recording to w, as a Writer does.
func (r *Recording) WriteTo(w io.Writer) (int64, error) {
	counted := &counter{w: w}
	to := NewWriter(counted, r.Start)
	for _, step := range r.Steps {
		if err := to.Write(step); err != nil {
			return counted.n, err
		}
	}
	return counted.n, to.err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func appendStep(b []byte, s *Step) []byte {
	b = fmt.Appendf(b, "%-10s %d %s", formatTime(s.At), s.Conn, s.Kind)
	switch s.Kind {
	case Connect:
		if s.Name != "" {
			b = appendWord(append(b, ' '), s.Name)
			if s.Value != "" {
				b = strconv.AppendQuote(append(b, ' '), s.Value)
			}
		}
	case Header:
		b = appendWord(append(b, ' '), s.Name)
		b = appendQuoted(append(b, ' '), s.Value)
	case Body, Bytes:
		b = appendQuoted(append(b, ' '), s.Value)
	case Status:
		b = strconv.AppendInt(append(b, ' '), int64(s.Code), 10)
		if s.Framing != "" {
			b = append(append(b, ' '), s.Framing...)
		}
	case Event:
		b = appendWord(append(b, ' '), s.Name)
		b = appendQuoted(append(b, ' '), s.Value)
		b = append(b, " id "...)
		b = strconv.AppendQuote(b, s.ID)
	}
	if comment := clean(s.Comment); comment != "" {
		b = append(append(b, " # "...), comment...)
	}
	return append(b, '\n')
}

// Comment writes a line that is a comment.
func (w *Writer) Comment(text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		_, w.err = io.WriteString(w.w, "# "+clean(text)+"\n")
	}
	return w.err
}

// formatTime returns d as Go prints it, but in ASCII: 0.1ms in place of 100µs.
func formatTime(d time.Duration) string {
	if d == 0 || d >= time.Millisecond {
		return d.String()
	}
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + "ms"
}
