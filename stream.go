package sse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"time"
)

// What ends a connection and is no error to anyone outside.
var (
	errStopped   = errors.New("sse: the consumer stopped")
	errNoContent = errors.New("sse: 204 No Content")
	errDone      = errors.New("sse: the stream has ended")
)

const refusalTimeout = 5 * time.Second // for the body of a response that is no event stream

// stream is one range over the events: one connection after another, each resuming
// where the one before it ended. It lives on the goroutine that ranges.
type stream struct {
	ctx        context.Context // of the caller; its end is the end of the stream
	newRequest func(ctx context.Context, lastEventID string) (*http.Request, error)
	client     *http.Client // without Timeout
	policy     func(err error, req *http.Request, opened bool) error
	newBackoff func(initial time.Duration) Backoff
	headerTime time.Duration // for the response's header; 0: any
	idleTime   time.Duration // for a Read of its body; 0: any
	trace      Trace
	parser     *Parser

	cursor  string // what a connection resumes after: the last ID to be sent whose event is handled
	opened  bool   // once
	http2   bool   // as the last response was
	silent  bool   // what ended the last connection
	backoff Backoff
	waited  time.Duration // before the current connection
}

func (s *stream) run(yield func(Event, error) bool) {
	for {
		wait, err := s.connection(yield)
		if err == nil {
			err = s.sleep(wait)
		}
		if err == errDone {
			return
		}
		if err != nil {
			yield(Event{}, err)
			return
		}
	}
}

// sleep waits before the next connection, or until the stream ends.
func (s *stream) sleep(wait time.Duration) error {
	select {
	case <-time.After(wait):
		s.waited = wait
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// connection goes through one connection, from its request to its close. It returns how
// long to wait for the next one, or how the stream ends: errDone or the consumer's error.
func (s *stream) connection(yield func(Event, error) bool) (wait time.Duration, end error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	if s.silent {
		s.client.CloseIdleConnections() // they may be as dead as the one that was dropped
	}
	req, err := s.newRequest(ctx, s.cursor)
	if err != nil {
		return 0, s.cause(ctx, err)
	}
	if s.silent && s.http2 {
		// HTTP/2 goes on using a connection that has other streams. After this, it does not.
		req.Close = true
	}
	info := DisconnectInfo{Request: req}
	defer func() { // after break, panic and Goexit in a loop body or a hook, too
		info.LastEventID = s.cursor
		if s.trace.Disconnect != nil {
			s.trace.Disconnect(info)
		}
	}()
	if s.trace.Connect != nil {
		s.trace.Connect(req)
	}
	err = s.exchange(ctx, cancel, req, yield)
	s.silent = err == ErrIdleTimeout

	switch {
	case err == errStopped || err == errNoContent:
		return 0, errDone
	case s.ctx.Err() != nil:
		info.Err = context.Cause(s.ctx)
		return 0, info.Err
	}
	info.Err = err
	if err := s.policy(err, req, s.opened); err != nil {
		if err == io.EOF {
			err = errDone
		}
		return 0, err
	}
	wait, again := s.delay(err)
	if !again {
		return 0, fmt.Errorf("sse: giving up: %w", err)
	}
	info.Reconnect, info.Delay = true, wait
	return wait, nil
}

// exchange sends the request, delivers the events of the response, and returns what
// ended it. The response is closed then, whatever ended it.
func (s *stream) exchange(ctx context.Context, cancel context.CancelCauseFunc, req *http.Request, yield func(Event, error) bool) error {
	// The one timer of the connection: for the header, for a refusal's body, for silence.
	timer := time.AfterFunc(math.MaxInt64, func() { cancel(ErrIdleTimeout) })
	timer.Stop()
	defer timer.Stop()

	if s.headerTime > 0 {
		timer.Reset(s.headerTime)
	}
	resp, err := s.send(req)
	if err != nil {
		return s.cause(ctx, err)
	}
	defer func() {
		cancel(nil) // first: nobody gets to drain the body
		resp.Body.Close()
	}()
	timer.Reset(refusalTimeout)
	err = checkResponse(resp)
	timer.Stop()
	if err != nil {
		return err
	}
	return s.cause(ctx, s.read(resp, timer, yield))
}

// send returns the response to req, or an error that names where it went wrong.
func (s *stream) send(req *http.Request) (*http.Response, error) {
	resp, err := s.client.Do(req)
	if ue := (*url.Error)(nil); resp != nil && errors.As(err, &ue) {
		// A redirect was not followed, and net/http gives its target as the server wrote it.
		if target, err := resp.Request.URL.Parse(ue.URL); err == nil {
			ue.URL = target.String()
		}
	}
	return resp, err
}

// cause returns what a connection's error comes from.
func (s *stream) cause(ctx context.Context, err error) error {
	switch {
	case err == errStopped || ctx.Err() == nil:
		return err
	case s.ctx.Err() != nil:
		return context.Cause(s.ctx)
	}
	return context.Cause(ctx)
}

// read delivers the events of a response until it ends, and returns why.
func (s *stream) read(resp *http.Response, timer *time.Timer, yield func(Event, error) bool) error {
	s.opened = true
	s.http2 = resp.ProtoMajor == 2
	if s.trace.Open != nil {
		s.trace.Open(resp)
	}
	body := io.Reader(resp.Body)
	if s.idleTime > 0 {
		body = &idleReader{body, timer, s.idleTime}
	}
	s.parser.Reset(body)

	// Progress makes the next wait a first one again. A bare response is none, or a
	// server that accepts and closes would be hit at the base rate for ever.
	defer func(open time.Time, id string) {
		if s.parser.LastEventID() != id || time.Since(open) > s.waited {
			s.backoff = nil
		}
	}(time.Now(), s.parser.LastEventID())

	for s.ctx.Err() == nil {
		err := s.parser.Next()
		if s.ctx.Err() != nil {
			break // nothing buffered is delivered
		}
		if err != nil {
			s.advance() // by blocks without data
			return err
		}
		s.backoff = nil
		if !yield(s.parser.Event(), nil) {
			return errStopped
		}
		s.advance()
	}
	return context.Cause(s.ctx)
}

// advance moves the cursor, once a loop body has returned. It stays where it is at an
// ID that no header can carry: resuming early repeats events, and never loses one.
func (s *stream) advance() {
	if id := s.parser.LastEventID(); id != s.cursor && sendable(id) {
		s.cursor = id
	}
}

// idleReader cuts a Read that waits too long for a byte. Time that passes between Reads
// is the consumer's, and does not count.
type idleReader struct {
	body  io.Reader
	timer *time.Timer
	limit time.Duration
}

func (r *idleReader) Read(b []byte) (int, error) {
	r.timer.Reset(r.limit)
	defer r.timer.Stop()
	return r.body.Read(b)
}
