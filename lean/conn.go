package lean

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A conn is the connection of one request. It is closed at the end of the response, by the
// end of the request's context, by the caller, and by a request body that fails: the first
// of these is what the others are told.
type conn struct {
	net.Conn           // what is read and written: raw, or TLS over it
	tls      *tls.Conn // that TLS, or nil
	raw      net.Conn  // what is closed: TLS would write an alert first, and wait for a peer that does not read
	ctx      context.Context
	stop     func() bool // ends the watch over ctx; nil if ctx cannot end

	mu     sync.Mutex
	header bool // it has arrived: its time limit is over
	limit  time.Duration
	err    error // why the conn was closed; nil: it is open
}

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
	case c.limit > 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return &timeoutError{c.limit, "the response's header"}
	}
	return err
}

// within limits the time of a step.
func (c *conn) within(limit time.Duration, what string, step func() error) error {
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if err := step(); errors.Is(err, os.ErrDeadlineExceeded) {
		return &timeoutError{limit, what}
	} else if err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}

// awaitHeader limits the time until the header arrives; 0 means no limit.
func (c *conn) awaitHeader(limit time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit > 0 && !c.header {
		c.limit = limit
		_ = c.SetReadDeadline(time.Now().Add(limit)) // if that fails, so does the Read
	}
}

// gotHeader ends that limit.
func (c *conn) gotHeader() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = true
	if c.limit == 0 {
		return nil
	}
	c.limit = 0
	return c.SetReadDeadline(time.Time{})
}
