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
	Closed                       // 2: the stream is over
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
// called for each event, and a ready state. Unless you need the browser's interface,
// [Client.Events] takes less code.
//
// All methods may be called from any goroutine. The listeners run on the goroutine that
// called Run, one at a time, in the order of their registration. A listener may call Close,
// and may add and remove listeners: one that is added is first called for the next event,
// and one that is removed is not called any more.
type EventSource struct {
	client Client
	req    *http.Request

	mu        sync.Mutex
	state     ReadyState
	listeners []*listener             // never changed in place
	cancel    context.CancelCauseFunc // ends Run; nil until Run is called
}

// A listener is called for the events of a type, or for what happens to the connection.
// The EventSource's mutex guards it.
type listener struct {
	kind    listenerKind
	typ     string               // of onEvent and onMessage
	event   func(Event)          // of onEvent and onMessage
	open    func(*http.Response) // of onOpen
	err     func(error)          // of onError
	removed bool                 // it is not called any more, even for the event in progress
}

type listenerKind int

const (
	onEvent   listenerKind = iota // added by AddEventListener
	onMessage                     // this one and the next two: at most one listener each
	onOpen
	onError
)

// NewEventSource returns an EventSource with the standard's rules: it reconnects only
// after network errors, but after the first attempt, too ([Standard]), and its first wait is
// at most a quarter longer than the reconnection time. The URL must be absolute.
func NewEventSource(url string) (*EventSource, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil) // Run has the context
	if err != nil {
		return nil, redactURL(err, url)
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

// EventSource returns an EventSource for the events that [Client.Events] returns for req,
// with the settings of c. Changes to c after the call do not affect it.
func (c *Client) EventSource(req *http.Request) *EventSource {
	return &EventSource{client: *c, req: req}
}

// URL returns the URL of the request.
func (es *EventSource) URL() string { return es.req.URL.String() }

// ReadyState returns the state: Connecting until the first response, and whenever there
// will be another connection; Open after a response that is an event stream; Closed when
// the stream is over. The state changes before the listeners are called.
func (es *EventSource) ReadyState() ReadyState {
	es.mu.Lock()
	defer es.mu.Unlock()
	return es.state
}

// OnOpen sets the function that is called each time a response opens the stream. Leave the
// response's Body alone. Like OnMessage and OnError, it replaces the function that an
// earlier call set, which keeps its place in the order; nil removes it.
func (es *EventSource) OnOpen(f func(*http.Response)) {
	es.set(onOpen, func(l *listener) { l.open = f })
}

// OnMessage sets the function that is called for events of type "message".
func (es *EventSource) OnMessage(f func(Event)) {
	es.set(onMessage, func(l *listener) { l.typ, l.event = defaultType, f })
}

// OnError sets the function that is called when a connection has ended or could not be
// made. [EventSource.ReadyState] is then Connecting if there will be another connection,
// and Closed if not. The error is what ended the connection: [io.EOF] if the server closed
// it, a [*ResponseError] with status 204 if the server has no more events, the context's
// cause if the context is done.
func (es *EventSource) OnError(f func(error)) {
	es.set(onError, func(l *listener) { l.err = f })
}

// set changes the only listener of a kind, which keeps its place in the order.
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
// their name, and returns a function that removes it. Events of the types "open" and
// "error" that the server sends reach only these listeners, not OnOpen and OnError.
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

// Close ends the EventSource. Its state is Closed at once, the request or the wait is
// aborted, and Run returns. No listener is called after Close has returned, except for one
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

// Run connects and dispatches events on the calling goroutine until the stream is over. It
// returns nil after Close, and if [Client.Events] would end without an error; otherwise it
// returns the error that the last call of OnError's function got. It can be called once.
//
// The stream ends when ctx is done, and when the context of the EventSource's request is.
// Its requests carry the values of both contexts.
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
	case last.Err == io.EOF: // and the policy declined to reconnect
		es.report(Closed, io.EOF)
	default:
		es.report(Closed, &ResponseError{StatusCode: http.StatusNoContent})
	}
	return end
}

// begin stores the function that Close calls, and reports whether Close has been called
// already. It fails if Run was called before.
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

// trace returns the hooks that follow the connections. They call the client's hooks first.
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

// dispatch calls f for each listener that is registered now, unless it is removed
// meanwhile, and stops when the state changes. No lock is held while f runs.
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
