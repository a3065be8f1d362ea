package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

var errDone = errors.New("sse: -n or -until was reached")

// tail is one run of the command over its streams.
type tail struct {
	*command
	*options
	http   *http.Client
	state  *state
	stats  stats
	cancel context.CancelCauseFunc // of all streams

	mu      sync.Mutex // of the output, and what follows
	printed int        // events
	line    string     // on stderr now, which anything that is printed goes before
	buf     []byte
}

// tail prints the events of the sources until all streams have ended.
func (cmd *command) tail(ctx context.Context, o *options) error {
	hc, err := cmd.httpClient(o)
	if err != nil {
		return err
	}
	st, err := loadState(o.state)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := &tail{command: cmd, options: o, http: hc, state: st, cancel: cancel}
	t.stats.start = time.Now()
	t.http.Transport = bodies{t.http.Transport, t.read}
	defer t.http.CloseIdleConnections()
	if o.stats {
		defer t.keepLine()()
	}

	errs := make([]error, len(o.sources))
	var streams sync.WaitGroup
	for i, src := range o.sources {
		streams.Go(func() { errs[i] = t.follow(ctx, src) })
	}
	streams.Wait()
	if cause := context.Cause(ctx); cause == errDone {
		return nil
	} else if cause != nil {
		return cause
	}
	return errors.Join(errs...)
}

// follow prints the events of one source. The end of ctx is no error of its own.
func (t *tail) follow(ctx context.Context, src source) error {
	id := t.id
	if id == "" {
		id = t.state.id(src.url)
	}
	req, err := t.newRequest(ctx, src, id)
	if err != nil {
		return err
	}
	client := sse.Client{HTTPClient: t.http, Reconnect: t.policy(), IdleTimeout: t.idle, MaxEventSize: t.maxEvent, Trace: t.trace(src)}
	for ev, err := range client.Events(req) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && len(t.sources) > 1 {
			return fmt.Errorf("%s: %w", src.name, err)
		}
		if err != nil {
			return err
		}
		if err := t.event(src, ev); err != nil {
			t.cancel(err)
			return nil
		}
	}
	return nil
}

// event prints an event, if it is wanted, and notes that it is out. Its error is errDone,
// or what keeps the command from going on.
func (t *tail) event(src source, ev sse.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.until, ev.Data) {
		return errDone
	}
	t.stats.events++
	t.stats.lastID = ev.LastEventID
	if len(t.types) == 0 || slices.Contains(t.types, ev.Type) {
		if !t.raw { // which is out already
			var err error
			if t.buf, err = t.appendEvent(t.buf[:0], src, ev, time.Now()); err != nil {
				return err
			}
			if err := t.print(t.stdout, t.buf); err != nil {
				return err
			}
		}
		t.printed++
	}
	if err := t.state.save(src.url, ev.LastEventID); err != nil {
		return err
	}
	if t.printed == t.max && t.max > 0 {
		return errDone
	}
	return nil
}

// read sees the bytes of all streams.
func (t *tail) read(b []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.bytes += int64(len(b))
	if !t.raw {
		return nil
	}
	err := t.print(t.stdout, b)
	if err != nil {
		t.cancel(err) // or it would be the network's fault, and cause for a reconnection
	}
	return err
}

// print writes b to w, and the line on stderr behind it. The caller holds the lock.
func (t *tail) print(w io.Writer, b []byte) error {
	if t.line != "" {
		fmt.Fprint(t.stderr, eraseLine)
		defer fmt.Fprint(t.stderr, t.line)
	}
	_, err := w.Write(b)
	return err
}
