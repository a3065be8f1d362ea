package lean

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"
)

// A conn is the connection of one request. It is closed at the end of the response, by the
// end of the request's context, by a time limit, by the caller, and by a request body that
// fails: the first of these is what the others are told.
type conn struct {
	net.Conn           // what is read and written: raw, or TLS over it
	tls      *tls.Conn // that TLS, or nil
	raw      net.Conn  // what is closed: TLS would write an alert first, and wait for a peer that does not read
	ctx      context.Context
	stop     func() bool // ends the watch over ctx; nil if ctx cannot end

	mu       sync.Mutex
	header   bool        // the response's header has arrived
	timer    *time.Timer // for it to arrive; nil: there is no limit
	writeErr error       // of the network
	err      error       // why the conn was closed; nil: it is open
}

// lateResponse is how long a response is awaited when the request could not be written. A
// server that refuses a request may answer, and close, before it has read all of it.
const lateResponse = time.Second

// newConn returns a conn that the end of ctx closes, without a goroutine that waits for it.
func newConn(ctx context.Context, raw net.Conn) *conn {
	c := &conn{Conn: raw, raw: raw, ctx: ctx}
	if ctx.Done() != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stop = context.AfterFunc(ctx, func() { c.close(context.Cause(ctx)) })
	}
	return c
}

// close closes the connection because of err, unless it is closed already.
func (c *conn) close(err error) {
	c.mu.Lock()
	stop, open := c.stop, c.err == nil
	if open {
		c.err = err
		c.stopTimer()
	}
	c.mu.Unlock()
	if !open {
		return
	}
	c.raw.Close()
	if stop != nil {
		stop()
	}
}

// cause returns the reason for an error of the connection: what closed it, if that was not
// the server.
func (c *conn) cause(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	}
	return err
}

// within limits the time of a step.
func (c *conn) within(limit time.Duration, what string, step func() error) error {
	timer := time.AfterFunc(limit, func() { c.close(&timeoutError{limit, what}) })
	defer timer.Stop()
	if err := step(); err != nil {
		return c.cause(err)
	}
	return nil
}

// Write remembers the network's error.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		c.mu.Lock()
		c.writeErr = err
		c.mu.Unlock()
	}
	return n, err
}

// wrote ends the writing of the request, and begins the limit for the response's header; 0
// means no limit. If what failed is the request's body, the conn is closed: the server would
// wait for the rest.
func (c *conn) wrote(err error, limit time.Duration) {
	c.mu.Lock()
	late := error(&timeoutError{limit, "the response's header"})
	if c.writeErr != nil {
		err, limit, late = nil, lateResponse, c.writeErr
	}
	if err == nil && limit > 0 && !c.header && c.err == nil {
		c.timer = time.AfterFunc(limit, func() { c.close(late) })
	}
	c.mu.Unlock()
	if err != nil {
		c.close(err)
	}
}

// gotHeader ends that limit.
func (c *conn) gotHeader() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = true
	c.stopTimer()
}

func (c *conn) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// A timeoutError is the error of a limit of the Transport's.
type timeoutError struct {
	limit time.Duration
	what  string
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("lean: %s took longer than %v", e.what, e.limit)
}
func (e *timeoutError) Timeout() bool        { return true }
func (e *timeoutError) Temporary() bool      { return true }
func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }
