package recording

import (
	"io"
	"math"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// A Player is an http.Handler that plays a recording. It answers each request with the first
// connection of the recording that has not been played yet and that was recorded with the
// same Last-Event-ID, or without one. If there is none, and the recording has an event with
// that ID, it answers with what follows that event, which may be the next connection.
// Otherwise it answers with the first connection that has not been played.
//
// If the recording has connections with the method and the path of the request, only those
// are considered. When all have been played the answer is 204 No Content, which ends a client's
// stream.
//
// The times of a connection count from its request. Over HTTP/1.1 the framing is that of
// the recording, and each chunk is a chunk; over HTTP/2 a chunk is a DATA frame, or several.
type Player struct {
	// Speed divides all times. 0 means 1; math.Inf(1) means that nothing is waited for.
	Speed float64

	// Loop starts again when all connections have been played. A connection that the
	// client left then ends at the time at which it was left.
	Loop bool

	// Again makes the Player one for clients that know nothing of each other. A connection
	// that its client left before all was sent is played again, and each client that
	// continues after an event waits for the next one as long as the recorded client did.
	//
	// Without it the requests are those of one client, and come to an end: each connection
	// is played once, and the time that a client has waited for what follows an event counts
	// if it reconnects and waits again.
	Again bool

	conns []conn
	index func() map[string]position // by the ID of the event before each

	mu     sync.Mutex
	played []bool
	asked  map[string]time.Time // when a client first continued after an ID
}

// NewPlayer returns a Player of r, which is not to be changed any more.
func NewPlayer(r *Recording) *Player {
	p := &Player{asked: make(map[string]time.Time)}
	conns := r.Connections()
	for i := range conns {
		p.conns = append(p.conns, newConn(&conns[i]))
	}
	p.played = make([]bool, len(p.conns))
	p.index = sync.OnceValue(func() map[string]position { return index(conns, p.Again && !p.Loop) })
	return p
}

// A conn is a connection, and what its request is recognized by.
type conn struct {
	*Connection
	method, path string // "": not known
	lastEventID  string
}

func newConn(c *Connection) conn {
	made := conn{Connection: c, method: c.Steps[0].Name, lastEventID: c.lastEventID()}
	if target, err := url.ParseRequestURI(c.Steps[0].Value); err == nil {
		made.path = target.Path
	}
	return made
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
		steps: p.conns[from.conn].Steps, from: from, speed: p.speed(), loop: p.Loop,
		w: w, r: r, begun: time.Now(),
	}
	defer func() { // also if the playback cuts the connection, by a panic
		if p.Again && !pb.sentAll {
			p.mu.Lock()
			p.played[from.conn] = false
			p.mu.Unlock()
		}
	}()
	pb.play()
}

// scale returns d times factor, or the longest time if that is longer.
func scale(d time.Duration, factor float64) time.Duration {
	if scaled := float64(d) * factor; scaled < math.MaxInt64/2 {
		return time.Duration(scaled)
	}
	return math.MaxInt64 / 2
}

func (p *Player) speed() float64 {
	if p.Speed <= 0 {
		return 1
	}
	return p.Speed
}

// choose returns where in the recording the answer begins.
func (p *Player) choose(r *http.Request) (position, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fits := p.fits(r)
	find := func(first int, want func(c *conn) bool) (position, bool) {
		for i := first; i < len(p.conns); i++ {
			if c := &p.conns[i]; !p.played[i] && fits(c) && want(c) {
				p.played[i] = true
				return position{conn: i, at: c.Steps[0].At}, true
			}
		}
		return position{}, false
	}
	anyone := func(*conn) bool { return true }
	id := r.Header.Get("Last-Event-ID")
	pos, ok := find(0, func(c *conn) bool { return c.lastEventID == id })
	if ok {
		return pos, true
	}
	known, ok := p.index()[id]
	switch {
	case !ok || !fits(&p.conns[known.conn]):
		pos, ok = find(0, anyone)
	case known.more:
		p.played[known.conn] = true
		if first, ok := p.asked[id]; ok && !p.Again {
			known.at += scale(time.Since(first), p.speed())
		} else {
			p.asked[id] = time.Now()
		}
		return known, true
	default:
		pos, ok = find(known.conn+1, anyone)
	}
	if !ok && p.Loop {
		for i := range p.conns {
			p.played[i] = p.played[i] && !fits(&p.conns[i])
		}
		clear(p.asked)
		return find(0, anyone)
	}
	return pos, ok
}

// fits returns a function that reports whether a connection may answer r.
func (p *Player) fits(r *http.Request) func(*conn) bool {
	same := func(c *conn) bool { return c.method == r.Method && c.path == r.URL.Path }
	for i := range p.conns {
		if same(&p.conns[i]) {
			return same
		}
	}
	return func(*conn) bool { return true }
}
