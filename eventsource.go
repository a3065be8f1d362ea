package sse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// A ReadyState is the state of an [EventSource], with the standard's numbers.
type ReadyState int

// The states, in the order of a stream's life.
const (
	Connecting ReadyState = iota // 0: no response yet, or waiting to connect again
	Open                         // 1: dispatching events
	Closed                       // 2: for good
)

// String returns the standard's name of the state: CONNECTING, OPEN or CLOSED.
func (s ReadyState) String() string {
	switch s {
	case Connecting:
		return "CONNECTING"
	case Open:
		return "OPEN"
	case Closed:
		return "CLOSED"
	}
	return fmt.Sprintf("ReadyState(%d)", int(s))
}

var errSourceClosed = errors.New("sse: EventSource closed")

// An EventSource is the HTML standard's interface to an event stream: listeners that are
// called for each event, and a state. Programs that have no reason to look like a
// browser are shorter with [Client.Events].
//
// All its methods may be called from any goroutine. The listeners run on the goroutine
// that called Run, one at a time, in the order of their registration. They may add and
// remove listeners, which takes effect with the next event or at once, and may call Close.
type EventSource struct {
	client Client
	req    *http.Request

	mu        sync.Mutex
	state     ReadyState
	listeners []*listener             // never changed in place
	cancel    context.CancelCauseFunc // of Run, once it has been called
}

// A listener is called for the events of a type, or for what happens to the connection.
// The EventSource's mutex guards it.
type listener struct {
	kind    listenerKind
	typ     string // of onEvent and onMessage
	event   func(Event)
	open    func(*http.Response)
	err     func(error)
	removed bool
}

type listenerKind int

const (
	onEvent   listenerKind = iota // added by AddEventListener
	onMessage                     // the others: one of each, at most
	onOpen
	onError
)

// NewEventSource returns an EventSource with the standard's rules: it connects again
// after network errors alone, from the first attempt on ([Standard]), and waits close to
// the reconnection time before the first of a row of attempts. The URL must be absolute.
func NewEventSource(url string) (*EventSource, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil) // Run has the context
	if err != nil {
		return nil, redact(err)
	}
	if !req.URL.IsAbs() {
		return nil, relativeURL(url)
	}
	c := Client{Reconnect: Standard, NewBackoff: func(initial time.Duration) Backoff {
		b := newExponential(initial)
		b.firstSpread = initial / 4 // the web-platform-tests allow that much
		return b
	}}
	return c.EventSource(req), nil
}

func relativeURL(s string) error {
	return redact(&url.Error{Op: "parse", URL: s, Err: errors.New("sse: the URL of an EventSource must be absolute")})
}

// EventSource returns an EventSource on the events that [Client.Events] gives for req,
// with c's settings. Changes to c after the call do not matter to it.
func (c *Client) EventSource(req *http.Request) *EventSource {
	return &EventSource{client: *c, req: req}
}

// URL returns the URL that was asked for.
func (es *EventSource) URL() string { return es.req.URL.String() }

// ReadyState returns the state: Connecting from the start to the first response and
// whenever there will be another connection, Open after a response that is an event
// stream, Closed at the end. It changes before the listeners of the change are called.
func (es *EventSource) ReadyState() ReadyState {
	es.mu.Lock()
	defer es.mu.Unlock()
	return es.state
}

// OnOpen sets what is called when a response opens the stream, each time. The response's
// Body is not to be touched. Like the others named On, it replaces what an earlier call
// set, in its place; nil removes it.
func (es *EventSource) OnOpen(f func(*http.Response)) {
	es.set(onOpen, func(l *listener) { l.open = f })
}

// OnMessage sets what is called for events of type "message".
func (es *EventSource) OnMessage(f func(Event)) {
	es.set(onMessage, func(l *listener) { l.typ, l.event = defaultType, f })
}

// OnError sets what is called when a connection has ended or could not be made.
// [EventSource.ReadyState] tells whether that is final: Connecting, or Closed. The error is
// what ended the connection: [io.EOF] where the server closed it, a [*ResponseError]
// with status 204 where there is no more, the context's cause where it ended.
func (es *EventSource) OnError(f func(error)) {
	es.set(onError, func(l *listener) { l.err = f })
}

// set changes the listener of a kind that there is one of, which keeps its place.
func (es *EventSource) set(kind listenerKind, change func(*listener)) {
	es.mu.Lock()
	defer es.mu.Unlock()
	i := slices.IndexFunc(es.listeners, func(l *listener) bool { return l.kind == kind })
	if i < 0 {
		i = len(es.listeners)
		es.listeners = append(es.listeners, &listener{kind: kind})
	}
	change(es.listeners[i])
}

// AddEventListener adds a listener for the events of a type, which the standard calls
// their name, and returns what removes it. Events of type "open" and "error" are the
// server's, and come here alone.
func (es *EventSource) AddEventListener(typ string, f func(Event)) (remove func()) {
	added := &listener{kind: onEvent, typ: typ, event: f}
	es.mu.Lock()
	defer es.mu.Unlock()
	es.listeners = append(es.listeners, added)
	return func() {
		es.mu.Lock()
		defer es.mu.Unlock()
		added.removed = true
		es.listeners = slices.DeleteFunc(slices.Clone(es.listeners), func(l *listener) bool { return l == added })
	}
}

// Close ends the EventSource: it is Closed at once, the request is aborted or the wait
// ended, and Run returns. No listener is called after Close has returned, except for one
// that was being called at that moment. Close may be called from a listener, more than
// once, and before Run.
func (es *EventSource) Close() {
	es.mu.Lock()
	defer es.mu.Unlock()
	es.state = Closed
	if es.cancel != nil {
		es.cancel(errSourceClosed)
	}
}

// Run connects and dispatches events on the calling goroutine until the end. It returns
// nil after Close, and where [Client.Events] ends without an error; else the
// error that the last OnError got. It can be called once.
//
// The stream ends with ctx, and with the context of the request that the EventSource was
// made of. The values of both are there for its requests.
func (es *EventSource) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if closed, err := es.begin(cancel); closed || err != nil {
		return err
	}
	defer es.Close() // after a panic, too
	reqCtx := es.req.Context()
	defer context.AfterFunc(reqCtx, func() { cancel(context.Cause(reqCtx)) })()
	ctx = withValues{ctx, reqCtx}

	var last DisconnectInfo
	client := es.client
	client.Trace = es.trace(&last)
	var end error
	for ev, err := range client.Events(es.req.WithContext(ctx)) {
		if err != nil {
			end = err
			break
		}
		es.dispatch(Open, func(l listener) {
			if l.event != nil && l.typ == ev.Type {
				l.event(ev)
			}
		})
	}

	if !es.become(Closed) {
		return nil
	}
	switch {
	case end != nil:
		es.report(Closed, end)
	case last.Err == io.EOF: // and the policy does not want it back
		es.report(Closed, io.EOF)
	default:
		es.report(Closed, &ResponseError{StatusCode: http.StatusNoContent})
	}
	return end
}

// begin takes what Close is to call, once, and reports whether Close has been called already.
func (es *EventSource) begin(cancel context.CancelCauseFunc) (closed bool, err error) {
	es.mu.Lock()
	defer es.mu.Unlock()
	if es.cancel != nil {
		return false, errors.New("sse: EventSource.Run can be called once")
	}
	es.cancel = cancel
	return es.state == Closed, nil
}

// report calls OnError's listener, in the state that the error has led to.
func (es *EventSource) report(state ReadyState, err error) {
	es.dispatch(state, func(l listener) {
		if l.err != nil {
			l.err(err)
		}
	})
}

// withValues is a context with the values of another one, too.
type withValues struct {
	context.Context
	other context.Context
}

func (c withValues) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.other.Value(key)
}

// trace returns the hooks that follow the connections, behind those of the client's.
func (es *EventSource) trace(last *DisconnectInfo) *Trace {
	hooks := Trace{}
	if es.client.Trace != nil {
		hooks = *es.client.Trace
	}
	opened, disconnected := hooks.Open, hooks.Disconnect
	hooks.Open = func(resp *http.Response) {
		if opened != nil {
			opened(resp)
		}
		if es.become(Open) {
			es.dispatch(Open, func(l listener) {
				if l.open != nil {
					l.open(resp)
				}
			})
		}
	}
	hooks.Disconnect = func(info DisconnectInfo) {
		if disconnected != nil {
			disconnected(info)
		}
		*last = info
		if info.Reconnect && es.become(Connecting) {
			es.report(Connecting, info.Err)
		}
	}
	return &hooks
}

// become changes the state, unless the EventSource has been closed.
func (es *EventSource) become(s ReadyState) bool {
	es.mu.Lock()
	defer es.mu.Unlock()
	if es.state == Closed {
		return false
	}
	es.state = s
	return true
}

// dispatch calls f for each listener that was there when it was called and has not been
// removed since, as long as the state stays what it is. No lock is held while f runs.
func (es *EventSource) dispatch(state ReadyState, f func(listener)) {
	es.mu.Lock()
	listeners := es.listeners
	es.mu.Unlock()
	for _, l := range listeners {
		es.mu.Lock()
		now, stay := *l, es.state == state
		es.mu.Unlock()
		if stay && !now.removed {
			f(now)
		}
	}
}
