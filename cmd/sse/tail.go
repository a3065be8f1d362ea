package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

var (
	errDone    = errors.New("sse: -n was reached")
	errMaxTime = errors.New("sse: -max-time is over")
)

// tail is one run of the command over its streams.
type tail struct {
	*command
	*options
	transport *http.Transport
	state     *state
	streams   []*stream
	start     time.Time
	cancel    context.CancelCauseFunc // of all streams

	mu      sync.Mutex // of the output, and what follows, the figures of the streams included
	printed int        // events
	failed  bool       // a stream was refused, or broke for good
	block   string     // on stderr now, which anything that is printed goes before
	buf     []byte
}

// stream is one source of a tail.
type stream struct {
	*tail
	source
	entry string // in the state
	req   *http.Request
	stats stats
}

// newTail prepares a run. Its errors are wrong usage: nothing was sent yet.
func (cmd *command) newTail(o *options) (*tail, error) {
	tr, err := cmd.newTransport(o)
	if err != nil {
		return nil, err
	}
	t := &tail{command: cmd, options: o, transport: tr}
	for _, src := range o.sources {
		req, err := o.newRequest(src, o.id)
		if err != nil {
			return nil, err
		}
		t.streams = append(t.streams, &stream{tail: t, source: src, entry: o.stateKey(src), req: req})
	}
	if t.state, err = openState(o.state); err != nil {
		return nil, err
	}
	for _, s := range t.streams {
		id := t.state.id(s.entry)
		switch {
		case o.id != "" || o.header.Get("Last-Event-ID") != "" || id == "":
		case !sse.Resumable(id):
			return nil, fmt.Errorf("-state %s: no header can carry the ID of %s", o.state, s.name)
		default:
			s.req.Header.Set("Last-Event-ID", id)
		}
	}
	return t, nil
}

// run prints the events of the sources until all streams have ended, and returns the exit
// code.
func (t *tail) run(ctx context.Context) int {
	signaled := ctx
	if t.maxTime > 0 {
		timed, cancel := context.WithTimeoutCause(ctx, time.Duration(t.maxTime), errMaxTime)
		defer cancel()
		ctx = timed
	}
	ctx, t.cancel = context.WithCancelCause(ctx)
	defer t.cancel(nil)
	t.start = time.Now()
	defer t.transport.CloseIdleConnections()
	endStats, endState := t.keepStats(), t.state.keep(t.cancel)

	var streams sync.WaitGroup
	for _, s := range t.streams {
		streams.Go(func() {
			if err := s.follow(ctx); err != nil && ctx.Err() == nil {
				s.fail(err)
			}
		})
	}
	streams.Wait()
	endState()
	endStats()
	err := context.Cause(ctx)
	if err == errDone {
		err = nil
	}
	code := t.code(signaled, err)
	if code == exitEnded && t.failed && err == nil {
		return exitBroken
	}
	return code
}

// follow prints the events of one source.
func (s *stream) follow(ctx context.Context) error {
	client := sse.Client{
		HTTPClient: s.newHTTPClient(), CheckResponse: s.check, Reconnect: s.policy(),
		IdleTimeout: time.Duration(s.idle), MaxEventSize: s.maxEvent, Trace: s.trace(),
	}
	events := client.Events(s.req.WithContext(ctx))
	last := func(ev sse.Event) bool { return slices.Contains(s.until, ev.Data) }
	if len(s.until) > 0 {
		events = sse.Until(events, last)
	}
	for ev, err := range events {
		if err != nil || last(ev) {
			return err
		}
		if err := s.event(ev); err != nil {
			s.cancel(err)
			return nil
		}
	}
	return nil
}

// fail reports that a stream has ended with an error. The others continue.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
	s.report(err)
}

// report prints an error of the stream, with its name, unless that is the URL that the
// error has already.
func (s *stream) report(err error) {
	name := s.label(s.source)
	if !s.named && strings.Contains(err.Error(), name) {
		name = ""
	}
	s.aside(func() { s.complain(name, err) })
}

// event prints an event, if it is wanted, and then notes that it is out. Its error is
// errDone, or what keeps the command from continuing.
func (s *stream) event(ev sse.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.printed == s.max && s.max > 0 {
		return errDone // by another stream, just now
	}
	s.stats.events++
	s.stats.lastID = ev.LastEventID
	if len(s.types) == 0 || slices.Contains(s.types, ev.Type) {
		shown, err := s.show(ev)
		if err != nil {
			return err
		}
		if shown {
			s.printed++
		}
	}
	s.state.note(s.entry, ev.LastEventID)
	if s.printed == s.max && s.max > 0 {
		return errDone
	}
	return nil
}

// show prints an event. One that cannot be shown as -format wants it is reported instead.
func (s *stream) show(ev sse.Event) (shown bool, err error) {
	if s.raw { // it is out already
		return true, nil
	}
	s.buf, err = s.appendEvent(s.buf[:0], s.source, ev, time.Now())
	if bad := (*formatError)(nil); errors.As(err, &bad) {
		s.report(bad)
		return false, nil
	}
	if err == nil {
		s.aside(func() { _, err = s.stdout.Write(s.buf) })
	}
	return true, err
}

// check decides whether a response is the stream. Only a stream's body is counted, and
// printed by -raw.
func (s *stream) check(resp *http.Response) error {
	err := sse.CheckResponse(resp)
	if err == nil {
		resp.Body = &body{resp.Body, s.read}
		return nil
	}
	if refusal := (*sse.ResponseError)(nil); s.verbose && errors.As(err, &refusal) {
		for line := range strings.Lines(string(refusal.Body)) {
			s.say("|", "%s", strings.TrimRight(line, "\r\n"))
		}
	}
	return err
}

// read sees the bytes of the stream.
func (s *stream) read(b []byte) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.bytes += int64(len(b))
	if !s.raw {
		return nil
	}
	s.aside(func() { _, err = s.stdout.Write(b) })
	if err != nil {
		s.cancel(err) // or it would be the network's fault, and cause for a reconnection
	}
	return err
}
