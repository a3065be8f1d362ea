package fleet

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

// open follows the stream once. It returns true if the server has ended the stream for good,
// and otherwise why the stream is over, if nothing else ended it.
func (w *worker) open(p *position, progress func()) (ended bool, err error) {
	err = guard(func() error {
		req, leave, err := w.request()
		if err != nil {
			return err
		}
		defer leave()
		p.resume(req)
		client := *w.cfg.Client
		client.Trace = w.watchConnections(p, client.Trace)
		for ev, err := range client.Events(req) {
			if err != nil {
				return err
			}
			if err := w.handle(ev); err != nil {
				return err
			}
			progress()
			if err := p.handled(ev.LastEventID); err != nil {
				w.stop(err)
				return err
			}
		}
		// Without an error it is over after 204, and where the policy does not reconnect.
		if ended = w.conn.noContent; !ended {
			return io.EOF
		}
		return nil
	})
	return ended, err
}

// request returns a request that may be changed, and what to call when it is no longer used.
func (w *worker) request() (req *http.Request, leave func(), err error) {
	leave = func() {}
	if w.cfg.Request == nil {
		req, err = http.NewRequestWithContext(w.ctx, http.MethodGet, w.stream, nil)
		return req, leave, err
	}
	req, err = w.cfg.Request(w.ctx, w.stream)
	switch {
	case err != nil:
		return nil, nil, err
	case req == nil:
		return nil, nil, errors.New("fleet: Config.Request returned no request")
	case req.Context() == w.ctx:
		return req.Clone(w.ctx), leave, nil
	}
	// It has a context of its own: the stream ends with either.
	ctx, cancel := context.WithCancelCause(req.Context())
	stop := context.AfterFunc(w.ctx, func() { cancel(context.Cause(w.ctx)) })
	return req.Clone(ctx), func() { stop(); cancel(nil) }, nil
}

// connState is what a worker knows of its connection. What comes before mu belongs to the
// worker's goroutine.
type connState struct {
	release   func() // of the host, while a connection is being opened
	open      bool
	tried     bool
	noContent bool // the last connection ended by 204
	failures  int  // consecutive ones to open it

	mu     sync.Mutex
	err    error
	health health
	timer  *time.Timer // until a stream without a connection counts as down
}

// begin is called before each sse.Stream.
func (c *connState) begin(p *position) {
	c.tried, c.noContent = false, false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch(p)
}

// watch has the bucket say that the stream has no connection, if it gets none for a while.
func (c *connState) watch(p *position) {
	if c.timer != nil {
		return
	}
	c.timer = time.AfterFunc(min(p.w.session.ttl/3, 5*time.Second), func() {
		c.mu.Lock()
		if c.health.Down = true; c.err == nil {
			c.health.Error, c.health.Since = "no response yet", time.Now()
		}
		c.mu.Unlock()
		p.flush()
	})
}

// fail notes why there is no connection.
func (c *connState) fail(p *position, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	c.health.Error, c.health.Since = quote(err), time.Now()
	c.watch(p)
}

// connected notes that there is a connection.
func (c *connState) connected(p *position) {
	c.open, c.failures = true, 0
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if c.health.Down {
		c.health.Down = false
		go p.flush()
	}
}

// close forgets the timer.
func (c *connState) close() {
	if c.release != nil {
		c.release()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}

func (c *connState) lastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// current returns what is to be written of the state, of which known was written last.
func (c *connState) current(event time.Time, known health) health {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.health.Error != "" {
		known = c.health
	}
	known.Event, known.Down = event, c.health.Down
	return known
}

// watchConnections returns the hooks of the Client, which also see to the worker's state.
func (w *worker) watchConnections(p *position, theirs *sse.Trace) *sse.Trace {
	var t sse.Trace
	if theirs != nil {
		t = *theirs
	}
	connect, open, disconnect := t.Connect, t.Open, t.Disconnect
	t.Connect = func(req *http.Request) {
		w.conn.tried = true
		w.conn.release = w.hosts.enter(req.Context(), req.URL.Host)
		call(connect, req)
	}
	t.Open = func(resp *http.Response) {
		w.conn.release()
		w.conn.connected(p)
		call(w.trace.Connected, StreamInfo{Stream: w.stream, LastEventID: p.lastEventID()})
		call(open, resp)
	}
	t.Disconnect = func(info sse.DisconnectInfo) {
		w.conn.release()
		w.conn.noContent = info.Err == nil
		if w.ctx.Err() == nil && info.Err != nil {
			if !w.conn.open {
				defer w.failedToOpen()
			}
			w.conn.fail(p, info.Err)
		}
		w.conn.open = false
		call(w.trace.Disconnected, StreamInfo{Stream: w.stream, LastEventID: p.lastEventID(), Err: info.Err, Delay: info.Delay})
		call(disconnect, info)
	}
	return &t
}

// failedToOpen counts, and asks to give the stream back after too many failures.
func (w *worker) failedToOpen() {
	w.conn.failures++
	if limit := w.cfg.GiveBack; limit > 0 && w.conn.failures >= limit {
		select {
		case w.unreachable <- w:
		case <-w.ctx.Done():
		}
	}
}

// hosts limits how many connections are being opened to each host.
type hosts struct {
	limit int
	mu    sync.Mutex
	gates map[string]*gate
}

type gate struct {
	slots chan struct{}
	users int
}

const openTime = 10 * time.Second // after which a connection that is being opened no longer counts

// enter waits until a connection to host may be opened, or ctx is done. The caller calls
// leave when it is open, or was not opened: it may do so more than once.
func (h *hosts) enter(ctx context.Context, host string) (leave func()) {
	h.mu.Lock()
	g := h.gates[host]
	if g == nil {
		g = &gate{slots: make(chan struct{}, h.limit)}
		h.gates[host] = g
	}
	g.users++
	h.mu.Unlock()
	entered := false
	select {
	case g.slots <- struct{}{}:
		entered = true
	case <-ctx.Done():
	}
	once := sync.OnceFunc(func() {
		if entered {
			<-g.slots
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if g.users--; g.users == 0 {
			delete(h.gates, host)
		}
	})
	late := time.AfterFunc(openTime, once)
	return func() {
		late.Stop()
		once()
	}
}
