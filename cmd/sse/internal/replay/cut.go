// Package replay changes recordings, and what is played of them: faults that were not
// recorded, and times that would be old.
package replay

import (
	"fmt"
	"hash/maphash"
	"net/http"

	"github.com/lastevent/sse/cmd/sse/internal/check/wire"
	"github.com/lastevent/sse/internal/recording"
)

// Cut drops a connection after a number of its events. The rest becomes another connection,
// for a client that resumes there: connections that come later have a number that is one
// higher.
func Cut(r *recording.Recording, conn, events int) error {
	offset, id, err := after(r, conn, events)
	if err != nil {
		return err
	}
	c := cutter{numbers: make(map[int]int)}
	for _, s := range r.Steps {
		if s.Conn != conn || c.done {
			c.add(s)
			continue
		}
		if s.Kind != recording.Bytes && s.Kind != recording.Event {
			c.repeat(s, id)
			c.add(s)
			continue
		}
		data := s.Data()
		if offset > len(data) {
			offset -= len(data)
			c.add(s)
			continue
		}
		s.Kind, s.Name, s.ID = recording.Bytes, "", ""
		first, rest := s, s
		first.Value, rest.Value = string(data[:offset]), string(data[offset:])
		c.add(first)
		c.cut(first)
		if rest.Value != "" {
			c.add(rest)
		}
	}
	r.Steps = c.steps
	return nil
}

// A cutter writes the steps of a recording again, of which one connection becomes two.
type cutter struct {
	steps   []recording.Step
	numbers map[int]int // of the connections now, by what they were
	last    int
	again   []recording.Step // what the second connection begins with
	answer  bool             // the status is among them
	done    bool
}

func (c *cutter) add(s recording.Step) {
	if s.Kind == recording.Connect {
		c.last++
		c.numbers[s.Conn] = c.last
	}
	s.Conn = c.numbers[s.Conn]
	c.steps = append(c.steps, s)
}

// repeat keeps a step for the second connection, whose request names an event.
func (c *cutter) repeat(s recording.Step, id string) {
	name := http.CanonicalHeaderKey(s.Name)
	switch {
	case s.Kind == recording.Header && !c.answer && name == "Last-Event-Id":
		return
	case s.Kind == recording.Header && c.answer && name == "Content-Length":
		return // the rest has another one
	case s.Kind == recording.Status:
		c.answer = true
	}
	c.again = append(c.again, s)
	if s.Kind == recording.Connect && id != "" {
		c.again = append(c.again, recording.Step{Conn: s.Conn, Kind: recording.Header, Name: "Last-Event-Id", Value: id})
	}
}

// cut drops the connection after a step, and begins the second one.
func (c *cutter) cut(s recording.Step) {
	c.add(recording.Step{At: s.At, Conn: s.Conn, Kind: recording.Drop})
	for _, again := range c.again {
		again.At = s.At
		c.add(again)
	}
	c.done = true
}

// after returns the place in the body of a connection that follows some of its events, and
// the ID that is in force there.
func after(r *recording.Recording, conn, events int) (offset int, id string, err error) {
	conns := r.Connections()
	if conn > len(conns) {
		return 0, "", fmt.Errorf("there is no connection %d: the recording has %d", conn, len(conns))
	}
	s := wire.NewScanner(maphash.MakeSeed())
	var body []byte
	for _, step := range conns[conn-1].Steps {
		if step.Kind == recording.Bytes || step.Kind == recording.Event {
			data := step.Data()
			body = append(body, data...)
			_, _ = s.Write(data)
		}
	}
	if events > len(s.Events) {
		return 0, "", fmt.Errorf("connection %d has only %d events", conn, len(s.Events))
	}
	ev := s.Events[events-1]
	offset = int(ev.Last) + 1
	if body[offset-1] == '\r' && offset < len(body) && body[offset] == '\n' {
		offset++
	}
	return offset, ev.ID, nil
}
