package recording

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/lastevent/sse"
)

// A position is a place in a recording from which it is played. Up to step it is that of
// the beginning of a connection, or of a place in the body of its response.
type position struct {
	conn   int           // its index
	step   int           // the first step to play, besides the response's header
	skip   int           // bytes of that step that are left out
	offset int           // bytes of the body that are left out
	at     time.Duration // the recording's time there
	more   bool          // an event follows in the connection, or it waits for one
}

// index returns the places from which a client continues, by the IDs that it names: those
// after the event that set the ID, and the beginnings of connections that were asked for
// what follows it. If there are several it is the last one that has more. A connection that
// waits has more if waiting is set.
func index(conns []Connection, waiting bool) map[string]position {
	positions := make(map[string]position)
	add := func(id string, pos position) {
		if pos.more || !positions[id].more {
			positions[id] = pos
		}
	}
	for i := range conns {
		c := &conns[i]
		if !c.streams() {
			continue
		}
		waits := waiting && c.waits()
		marks, events := scan(c)
		if id := c.lastEventID(); id != "" {
			add(id, position{conn: i, at: c.Steps[0].At, more: events > 0 || waits})
		}
		for _, m := range marks {
			pos := c.position(i, m.offset)
			pos.more = m.events < events || waits
			add(m.id, pos)
		}
	}
	return positions
}

// lastEventID returns the Last-Event-ID of the request.
func (c *Connection) lastEventID() (id string) {
	for name, value := range c.Request() {
		if http.CanonicalHeaderKey(name) == "Last-Event-Id" {
			id = value
		}
	}
	return id
}

// streams reports whether the connection has a stream of events.
func (c *Connection) streams() bool {
	for _, s := range c.Steps {
		if s.Kind == Status {
			return s.Code == http.StatusOK
		}
	}
	return true
}

// waits reports whether the connection stays open after its last byte.
func (c *Connection) waits() bool {
	last := c.Steps[len(c.Steps)-1].Kind
	return last != End && last != Drop
}

// position returns the place after offset bytes of the body.
func (c *Connection) position(conn, offset int) position {
	pos := position{conn: conn, offset: offset}
	passed := 0
	for i := range c.Steps {
		s := &c.Steps[i]
		if !s.carries() {
			continue
		}
		n := len(s.Data())
		pos.at = s.At
		if passed+n >= offset {
			pos.step, pos.skip = i, offset-passed
			return pos
		}
		passed += n
	}
	return pos
}

// A mark is a place in a body at which the ID in force has changed.
type mark struct {
	id     string
	offset int // bytes before it
	events int // before it
}

// scan finds the marks of a connection, and counts its events.
func scan(c *Connection) (marks []mark, events int) {
	var body []byte
	for i := range c.Steps {
		if s := &c.Steps[i]; s.carries() {
			body = append(body, s.Data()...)
		}
	}
	lines := &lineReader{rest: body}
	p := sse.NewParser(lines)
	p.MaxEventSize = maxSize
	id := ""
	// The Parser asks for a line when it has done with those before it.
	lines.asked = func() {
		if now := p.LastEventID(); now != id {
			id = now
			marks = append(marks, mark{id, len(body) - len(lines.rest), events})
		}
	}
	for p.Next() == nil {
		events++
	}
	return marks, events
}

// A lineReader is read line by line.
type lineReader struct {
	rest  []byte
	asked func() // called by each Read
}

func (r *lineReader) Read(b []byte) (int, error) {
	r.asked()
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := bytes.IndexAny(r.rest[:min(len(r.rest), len(b))], "\r\n") + 1
	switch {
	case n == 0:
		n = min(len(r.rest), len(b))
	case r.rest[n-1] == '\r' && n < len(r.rest) && n < len(b) && r.rest[n] == '\n':
		n++
	}
	copy(b, r.rest[:n])
	r.rest = r.rest[n:]
	return n, nil
}

// path returns the path and the query of a URL, so that a redirect leads to the Player.
func path(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return location
	}
	u.Scheme, u.Host, u.User = "", "", nil
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
