package sse

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A Stream is an event stream that is pulled: [Stream.Next] advances to the next event,
// over as many connections as it takes, and the accessors return that event, without
// copying it if you ask for [Stream.Data]. [Client.Stream] and [Client.Continue] make one.
//
//	s := client.Stream(req)
//	defer s.Close()
//	for {
//		err := s.Next()
//		if err == io.EOF {
//			return nil // the stream is over
//		}
//		if err != nil {
//			return err
//		}
//		handle(s.Type(), s.Data())
//	}
//
// An event counts as handled, and a reconnection resumes after it, when Next is called
// again. Restart and Close may be called from any goroutine; everything else happens on the
// goroutine that calls Next.
type Stream struct {
	client     Client          // a copy of the caller's
	template   *template       // the caller's request, which each attempt clones
	ctx        context.Context // the caller's; its end ends the stream
	http       http.Client     // a copy of the client's, without its Timeout
	headerTime time.Duration   // how long to wait for a response's header; 0: without limit
	trace      Trace           // a copy

	mu       sync.Mutex // held while Next runs and while Close cleans up; it guards what follows
	parser   Parser
	adopted  *http.Response // what Client.Continue was given, until its connection begins
	conn     *connection    // nil between connections
	resp     *http.Response // the last one that opened the stream
	end      error          // what Next returns from now on; nil: the stream is not over
	resumeID string         // what a connection resumes after: the last resumable ID whose event is handled
	opened   bool           // a response has opened the stream, once
	backoff  Backoff        // nil: the next wait is a first one
	restarts bool           // Restart was called since there was progress: it is not free any more
	waited   time.Duration  // before the current connection; 0: not at all
	path     path           // what is known about the network connections below HTTP

	signal signal // from Close and Restart
}

// A signal is how Close and Restart reach a Next that runs on another goroutine.
type signal struct {
	closed    atomic.Bool
	mu        sync.Mutex
	interrupt func(cause error) // of the connection or the wait; nil: there is none
	pending   bool              // Restart was called between a connection and the wait after it
}

// arm sets what Close and Restart call, nil for nothing. It reports whether the stream is
// still to be continued.
func (s *signal) arm(interrupt func(cause error)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = interrupt
	return !s.closed.Load()
}

// takePending reports whether Restart was called since the connection ended, once.
func (s *signal) takePending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	pending := s.pending
	s.pending = false
	return pending
}

func (s *signal) send(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.interrupt != nil {
		s.interrupt(cause)
	} else {
		s.pending = true
	}
}

// Next advances to the next event, which [Stream.Event] and the other accessors then
// return. It connects, waits and reconnects as needed, and blocks until an event has
// arrived or the stream is over.
//
// At an end without an error Next returns [io.EOF]: after 204 No Content, after a clean
// close if the policy declines to reconnect, and after Close. Any other error is what
// [Client.Events] ends with. Once Next has returned an error, it keeps returning the same
// error until Close.
func (s *Stream) Next() error {
	s.mu.Lock()
	defer s.unlock()
	if s.conn != nil {
		s.advance() // the current event is handled
	}
	for s.end == nil {
		err := s.pull()
		if err == nil {
			return nil
		}
		s.follow(err)
	}
	s.template.close()
	return s.end
}

// unlock ends a call. If Close was called meanwhile, it has left the rest to this call.
func (s *Stream) unlock() {
	s.mu.Unlock()
	if s.signal.closed.Load() && s.mu.TryLock() {
		s.shut()
		s.mu.Unlock()
	}
}

// pull advances to the next event of the connection, which it opens if there is none.
func (s *Stream) pull() error {
	if s.conn == nil {
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		if err := s.connect(); err != nil {
			return err
		}
	}
	if err := s.conn.interrupted(); err != nil {
		return err
	}
	err := s.parser.Next()
	if interrupt := s.conn.interrupted(); interrupt != nil {
		return interrupt // nothing buffered is delivered
	}
	if err != nil {
		s.advance() // by blocks without data
		return err
	}
	s.conn.anonymous = s.conn.anonymous || len(s.parser.lastID) == 0
	return nil
}

// connect makes a connection and opens the stream.
func (s *Stream) connect() error {
	c := newConnection(s.ctx)
	s.conn = c
	s.signal.takePending() // a new connection is what Restart asked for
	if !s.signal.arm(c.cancel) {
		return errClosed
	}
	if err := s.open(c); err != nil {
		return err
	}
	s.opened, s.resp = true, c.resp
	_, prompt := c.body.ReadCloser.(promptReader)
	c.body.idle, c.body.sized = s.client.IdleTimeout, !prompt
	s.parser.Reset(c.resp.Body)
	c.openedAt, c.openedID = time.Now(), s.parser.LastEventID()
	if s.trace.Open != nil {
		s.trace.Open(c.resp)
	}
	return nil
}

// open gets a response that opens the stream.
func (s *Stream) open(c *connection) error {
	if resp := s.adopted; resp != nil {
		s.adopted = nil
		c.sent = &attempt{Request: s.template.req}
		c.begin(resp.Request)
		c.take(resp)
		return nil
	}
	sent, err := s.template.next(c.wire.watch(c.ctx), s.resumeID, s.client.Prepare)
	if err != nil {
		return err
	}
	c.sent = sent
	c.begin(sent.Request)
	if s.trace.Connect != nil {
		s.trace.Connect(sent.Request)
	}
	if err := c.send(s.path.client(&s.http), s.headerTime); err != nil {
		return err
	}
	return c.check(s.client.CheckResponse, s.client.IdleTimeout)
}

// advance moves what a connection resumes after, once an event was handled. It stays in
// place at an ID that no header can carry: resuming early repeats events, and never loses
// one.
func (s *Stream) advance() {
	if id := s.parser.LastEventID(); id != s.resumeID && Resumable(id) {
		s.resumeID = id
	}
}

// Event returns the current event, in strings of its own. Its allocations are one for
// the data, and one for the ID if that has changed.
func (s *Stream) Event() Event { return s.parser.Event() }

// Type returns the current event's type, "message" if the stream named none.
func (s *Stream) Type() string { return s.parser.Type() }

// Data returns the current event's data. The slice is valid until the next call to Next
// or Close; [Stream.Event] makes a copy.
func (s *Stream) Data() []byte { return s.parser.Data() }

// LastEventID returns the last event ID in force: that of the current event, or of a block
// without data after it.
func (s *Stream) LastEventID() string { return s.parser.LastEventID() }

// Retry returns the server's last valid reconnection time, without limits to it, and
// whether there was one.
func (s *Stream) Retry() (time.Duration, bool) { return s.parser.Retry() }

// Response returns the response that carries the current event, nil before the first one.
// Leave its Body alone.
func (s *Stream) Response() *http.Response { return s.resp }

// Events returns the rest of the stream, and closes it at the end: also after break and
// panic. An event counts as handled when its loop body has returned.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		defer s.Close()
		for {
			switch err := s.Next(); err {
			case nil:
				if !yield(s.parser.Event(), nil) {
					return
				}
			case io.EOF:
				return
			default:
				yield(Event{}, err)
				return
			}
		}
	}
}

var errRestarted = errors.New("sse: the stream was restarted")

// Restart drops the connection, or cuts the wait for the next one short, and connects again:
// after a change of the credentials, say, or when the network is back. It resumes after the
// last handled event, and nothing that was buffered is delivered. The cause is what Trace
// sees; nil stands for an error of this package. No policy is asked, and there is no
// wait, unless Restart was called before and nothing has progressed since: then the stream
// waits as after any failure, and calls during that wait have no effect.
//
// Restart may be called from any goroutine. It does not wait for the connection. It has no
// effect before the first Next and after the end.
func (s *Stream) Restart(cause error) {
	if cause == nil {
		cause = errRestarted
	}
	s.signal.send(&restarted{cause})
}

// Close ends the stream: a Next that is waiting, and every later one, returns [io.EOF], and
// the connection is closed. The current event does not count as handled. Close may be
// called from any goroutine, and more than once. It returns nil.
func (s *Stream) Close() error {
	s.signal.closed.Store(true)
	if s.mu.TryLock() {
		s.shut()
		s.mu.Unlock()
	} else {
		s.signal.send(errClosed)
	}
	return nil
}

// shut ends the stream. No Next is running.
func (s *Stream) shut() {
	s.end = io.EOF
	s.template.close()
	if s.adopted != nil {
		if s.adopted.Body != nil {
			s.adopted.Body.Close()
		}
		s.adopted = nil
	}
	if c := s.conn; c != nil {
		if c.ctx.Err() == nil && s.parser.in.err == nil {
			c.drain()
		}
		c.close()
		s.report()
	}
}
