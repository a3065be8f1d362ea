// Package recording reads, writes and plays recordings: files that hold what went over the
// wire between a client and a server of events, with the time of each step. docs/recording.md
// describes the format.
//
//	sse-recording 1
//	0s         1 connect GET "/feed"
//	12.5ms     1 status 200 chunked
//	12.5ms     1 header Content-Type "text/event-stream"
//	12.5ms     1 bytes "id: 1\ndata: a\n\n"
//	5.0125s    1 drop
//	6.2s       2 connect GET "/feed"
//	6.2s       2 header Last-Event-Id "1"
//	6.21s      2 status 204
//	6.21s      2 end
package recording

import (
	"iter"
	"slices"
	"time"

	"github.com/lastevent/sse"
)

// Resolution is what recorders round times to: see [Step]. A Writer does not round.
const Resolution = 100 * time.Microsecond

// Redacted stands in a recording in place of a value that was removed from it: a
// credential, or a part of one that was.
const Redacted = "[redacted]"

// A Recording is a file in memory.
type Recording struct {
	Start     time.Time // when the recording began; zero: not known
	Steps     []Step    // in the order of their times
	Truncated bool      // the last line was cut off, as a crash leaves it, and is left out
}

// A Kind is what happens in a step. The comment has the step's fields that the kind uses,
// besides At and Conn.
type Kind string

// The kinds. Those of a connection follow one another in this order; End, Drop and Wait
// exclude each other.
const (
	Connect Kind = "connect" // a request begins: Name is its method, Value its target; either may be ""
	Header  Kind = "header"  // Name and Value: of the request before Status, of the response after it
	Body    Kind = "body"    // Value: bytes of the request's body
	Status  Kind = "status"  // Code and Framing: a response begins
	Bytes   Kind = "bytes"   // Value: a chunk of the response's body, as it arrived
	Event   Kind = "event"   // Name (its type), Value (its data) and ID: a chunk that holds one event
	End     Kind = "end"     // the response is complete
	Drop    Kind = "drop"    // the connection is cut
	Wait    Kind = "wait"    // the client left; until then the server had nothing more to send
)

// A Framing is how a client finds the end of a response's body, and the chunks in it.
type Framing string

// The framings.
const (
	Chunked Framing = "chunked" // HTTP/1.1, Transfer-Encoding: chunked
	Length  Framing = "length"  // HTTP/1.x, by Content-Length
	Close   Framing = "close"   // HTTP/1.x, until the server closes the connection
	HTTP2   Framing = "HTTP/2"  // DATA frames
)

// A Step is a line of a recording.
type Step struct {
	At      time.Duration // since the recording's start; never before the step that precedes it
	Conn    int           // the number of the connection, from 1 in the order of their Connects
	Kind    Kind
	Name    string
	Value   string
	ID      string
	Code    int
	Framing Framing // "": no body, or as the server likes
	Comment string  // at the end of the line
}

// Data returns the bytes of the response that a Bytes or an Event step carries.
func (s *Step) Data() []byte {
	if s.Kind == Event {
		b, _ := s.event().AppendText(nil) // which check has tried
		return b
	}
	return []byte(s.Value)
}

// carries reports whether the step has a part of the response's body.
func (s *Step) carries() bool { return s.Kind == Bytes || s.Kind == Event }

func (s *Step) event() sse.Event {
	return sse.Event{Type: s.Name, Data: s.Value, LastEventID: s.ID}
}

// HTTP2 reports whether the recording is one of HTTP/2.
func (r *Recording) HTTP2() bool {
	return slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Framing == HTTP2 })
}

// A Connection is one request, and what came of it.
type Connection struct {
	Number int
	Steps  []Step // from its Connect on
}

// Connections returns the connections, in their order.
func (r *Recording) Connections() []Connection {
	var conns []Connection
	for _, step := range r.Steps {
		if step.Kind == Connect {
			conns = append(conns, Connection{Number: step.Conn})
		}
		c := &conns[step.Conn-1]
		c.Steps = append(c.Steps, step)
	}
	return conns
}

// Request yields the fields of the request's header.
func (c *Connection) Request() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, step := range c.Steps {
			if step.Kind == Status || step.Kind == Header && !yield(step.Name, step.Value) {
				return
			}
		}
	}
}
