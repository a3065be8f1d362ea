package recording

import (
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// A Player is an http.Handler that plays a recording. It answers each request with a
// connection of the recording that has not been played yet:
//
//   - the first one that was recorded with the same Last-Event-ID, or without one;
//   - otherwise, if the recording has an event with that ID and more events after it, with
//     what follows that event;
//   - otherwise the first one.
//
// If the recording has connections with the method and the path of the request, only those
// are considered. When all have been played the answer is 204 No Content, which ends a
// client's stream.
//
// The times of a connection count from its request. Over HTTP/1.1 the framing is that of
// the recording, and each chunk is a chunk; over HTTP/2 a chunk is a DATA frame, or several.
type Player struct {
	// Speed divides all times. 0 means 1; math.Inf(1) means that nothing is waited for.
	Speed float64

	// Loop starts again when all connections have been played. A connection that the
	// client left then ends at the time at which it was left.
	Loop bool

	conns []Connection
	index func() map[string]position // by the ID of the event before each

	mu     sync.Mutex
	played []bool
}

// NewPlayer returns a Player of r, which is not to be changed any more.
func NewPlayer(r *Recording) *Player {
	p := &Player{conns: r.Connections()}
	p.played = make([]bool, len(p.conns))
	p.index = sync.OnceValue(func() map[string]position { return index(p.conns, p.Loop) })
	return p
}

// ServeHTTP answers with a connection of the recording.
func (p *Player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // net/http sees a client leave only after the body
	from, ok := p.choose(r)
	if !ok {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	pb := &playback{
		steps: p.conns[from.conn].Steps, from: from, speed: p.Speed, loop: p.Loop,
		w: w, r: r, begun: time.Now(),
	}
	pb.play()
}

// choose returns where in the recording the answer begins.
func (p *Player) choose(r *http.Request) (position, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fits := p.fits(r)
	id := r.Header.Get("Last-Event-ID")
	find := func(want func(c *Connection) bool) (position, bool) {
		for i := range p.conns {
			if c := &p.conns[i]; !p.played[i] && fits(c) && want(c) {
				p.played[i] = true
				return position{conn: i, at: c.Steps[0].At}, true
			}
		}
		return position{}, false
	}
	if pos, ok := find(func(c *Connection) bool { return c.lastEventID() == id }); ok {
		return pos, true
	}
	if pos, ok := p.index()[id]; ok && id != "" && fits(&p.conns[pos.conn]) {
		p.played[pos.conn] = true
		return pos, true
	}
	anyone := func(*Connection) bool { return true }
	pos, ok := find(anyone)
	if !ok && p.Loop {
		for i := range p.conns {
			p.played[i] = p.played[i] && !fits(&p.conns[i])
		}
		return find(anyone)
	}
	return pos, ok
}

// fits returns a function that reports whether a connection may answer r.
func (p *Player) fits(r *http.Request) func(*Connection) bool {
	same := func(c *Connection) bool {
		target, err := url.ParseRequestURI(c.Steps[0].Value)
		return c.Steps[0].Name == r.Method && err == nil && target.Path == r.URL.Path
	}
	for i := range p.conns {
		if same(&p.conns[i]) {
			return same
		}
	}
	return func(*Connection) bool { return true }
}

// lastEventID returns the Last-Event-ID of the recorded request.
func (c *Connection) lastEventID() string {
	for name, value := range c.Request() {
		if http.CanonicalHeaderKey(name) == "Last-Event-Id" {
			return value
		}
	}
	return ""
}
