package sse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	defaultReconnectionTime = time.Second
	minReconnectionTime     = 10 * time.Millisecond
	maxReconnectionTime     = time.Hour
)

// follow closes the connection, which err has ended, and does what follows it: it waits
// for the next connection, or ends the stream.
func (s *Stream) follow(err error) {
	c := s.conn
	if c == nil {
		s.end = err // of the context, before a connection
		return
	}
	s.signal.arm(nil)
	err = c.cause(err)
	if s.ctx.Err() != nil {
		err = context.Cause(s.ctx) // whatever came first
	}
	c.close()
	if s.progressed(c) {
		s.backoff, s.restarts = nil, false
	}
	s.path.note(c, err)
	func() {
		defer s.report() // after a panic in a policy, too
		c.info.Err = err
		var restart *restarted
		switch {
		case err == errClosed || err == errNoContent:
			c.info.Err = nil
		case errors.As(err, &restart):
			c.info.Err = restart.cause
		}
		var wait time.Duration
		if wait, s.end = s.verdict(c, restart != nil); s.end == nil {
			c.info.Reconnect, c.info.Delay = true, wait
		}
	}()
	if s.end == nil {
		s.end = s.sleep(c.info.Delay)
	}
}

// verdict returns what follows a connection that c.info.Err has ended, by Restart or not:
// the wait before the next one, or the end of the stream.
func (s *Stream) verdict(c *connection, restart bool) (wait time.Duration, end error) {
	err := c.info.Err
	switch {
	case err == nil: // Close, or 204
		return 0, io.EOF
	case s.ctx.Err() != nil:
		return 0, err
	case restart && !s.restarts:
		s.restarts = true
		return 0, nil
	case restart: // again, without progress: as after a failure, but no policy is asked
	case c.sent == nil: // Prepare or GetBody has failed
		return 0, err
	default:
		if end := s.policy(c); end != nil {
			return 0, end
		}
	}
	wait, ok := s.delay(err)
	if !ok {
		return 0, fmt.Errorf("sse: giving up: %w", err)
	}
	return wait, nil
}

// policy returns nil to reconnect after c.info.Err, or the error that the stream ends with.
func (s *Stream) policy(c *connection) error {
	err := c.info.Err
	again := false
	switch {
	case s.template.req == nil || errors.Is(err, errSpent):
	case s.client.Reconnect != nil:
		again = s.client.Reconnect(err)
	default:
		again = s.opened && !c.rejected && s.template.repeats(c.sent, err) && Transient(err)
	}
	switch {
	case !again:
		return err
	case s.client.Prepare == nil && s.template.spent():
		return fmt.Errorf("sse: cannot reconnect, the request's body has no GetBody: %w", err)
	}
	return nil
}

// progressed reports whether the connection got the stream on. A bare response does not,
// or a server that accepts and closes would be hit at the base rate for ever; and neither
// do events that leave the ID in force as it was, since the server may be replaying them.
func (s *Stream) progressed(c *connection) bool {
	if c.openedAt.IsZero() {
		return false
	}
	wait := s.waited
	if wait == 0 {
		wait = s.reconnectionTime()
	}
	return c.anonymous || s.parser.LastEventID() != c.openedID || time.Since(c.openedAt) > wait
}

// sleep waits before the next connection. It returns why the stream is over instead, nil if
// it is not. Restart cuts the wait short, once until there is progress.
func (s *Stream) sleep(wait time.Duration) error {
	if s.signal.takePending() && !s.restarts {
		s.restarts, wait = true, 0
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	restarts := s.restarts
	if !s.signal.arm(func(cause error) {
		if cause == errClosed || !restarts {
			cancel(cause)
		}
	}) {
		return io.EOF
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		switch {
		case s.ctx.Err() != nil:
			return context.Cause(s.ctx)
		case context.Cause(ctx) == errClosed:
			return io.EOF
		}
		s.restarts, wait = true, 0
	}
	s.waited = wait
	return nil
}

// report passes the end of a connection, which has been closed, to the trace, and forgets
// the connection.
func (s *Stream) report() {
	c := s.conn
	s.conn = nil
	if c.traced && s.trace.Disconnect != nil {
		c.info.LastEventID = s.resumeID
		s.trace.Disconnect(c.info)
	}
}

// delay returns how long to wait after err, and false to give up.
func (s *Stream) delay(err error) (time.Duration, bool) {
	if s.backoff == nil {
		s.backoff = s.newBackoff(s.reconnectionTime())
	}
	b, ours := s.backoff.(*exponential)
	if ours {
		b.setInitial(s.reconnectionTime()) // the server may have changed it since the last wait
	}
	wait := s.backoff.NextBackOff()
	if wait < 0 {
		return 0, false
	}
	least, spread := time.Duration(0), wait
	if ours {
		least, spread = s.reconnectionTime(), b.d
	} else if _, ok := s.parser.Retry(); ok {
		least = s.reconnectionTime() // the server's; a caller's policy may go below the default
	}
	if re := (*ResponseError)(nil); errors.As(err, &re) {
		if after, ok := retryAfter(re.Header); ok {
			// All clients were told the same: spread them after it.
			after = max(least, after) + jitter(min(spread, maxRetryAfter))
			if ours {
				return after, true
			}
			return max(wait, after), true
		}
	}
	return max(least, wait), true
}

func (s *Stream) newBackoff(initial time.Duration) Backoff {
	if s.client.NewBackoff != nil {
		return s.client.NewBackoff(initial)
	}
	return newExponential(initial)
}

// reconnectionTime is the server's, or else the client's or the default, within limits.
func (s *Stream) reconnectionTime() time.Duration {
	d, ok := s.parser.Retry()
	if !ok {
		if d = s.client.ReconnectionTime; d == 0 {
			d = defaultReconnectionTime
		}
	}
	return min(max(d, minReconnectionTime), maxReconnectionTime)
}
