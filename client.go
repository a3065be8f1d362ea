// Package sse is a client for server-sent events, the event streams of the HTML
// standard's EventSource (section 9.2).
//
// A stream is text over HTTP. Lines end in LF, CR or CRLF; a field's name stands before
// the first colon; a blank line dispatches the event. The stream
//
//	: a comment, which keeps the connection alive
//	retry: 5000
//
//	event: change
//	id: 7
//	data: {"on":
//	data:  true}
//
//	data: more
//
// gives, in the form of [Event],
//
//	{Type: "change", Data: "{\"on\":\n true}", LastEventID: "7"}
//	{Type: "message", Data: "more", LastEventID: "7"}
//
// and, from then on, waits of at least five seconds before a reconnection.
//
// [Get] and [Client.Events] give the events of a stream across as many connections as it
// takes, [Decode] makes JSON values of them, and [EventSource] calls listeners as a
// browser does. Programs that hold a response's body already use [Read], or
// [NewParser] to read it without allocating. Package ssetest tests both ends.
//
// # What is promised
//
// An error is always the end of a stream, and comes once. Drops that a new connection
// cures are seen by [Trace] alone.
//
// A reconnection resumes after the last event whose loop body has returned: a server
// that replays by Last-Event-ID is asked for each event until it has been handled.
//
// Nothing here starts a goroutine. The stream lives on the goroutine that ranges over
// it; break, return and panic close the connection, and so does the context.
//
// All that the server controls has a limit: lines, events, the bodies of refusals, and
// the waits that it asks for.
//
// # Departures from the standard
//
//   - The default policy connects again only after the stream has been open once, only
//     for requests that may be repeated, and then also after 408, 425, 429, 500, 502, 503 and
//     504. The standard's own policy is Reconnect: [Standard].
//   - Waits grow while there is no progress, and have a random part. A retry value counts
//     within 10 ms … 1 h.
//   - The ID in force outlives the connection, as it does in browsers: events without an
//     id carry it in the next one, too.
//   - An ID that no header can carry (control characters, over 8 KiB) is not sent: the
//     stream resumes after the last one that can. Spaces around an ID are trimmed.
//   - An event's data, and a data, event, id or retry line, is limited in size:
//     [DefaultMaxEventSize], [ErrEventTooLarge].
//   - Requests ask for Accept-Encoding: identity, and a response that is encoded all the
//     same is refused.
//   - An EventSource's relative URL is an error: there is nothing to resolve it against.
//   - After a redirect, also a permanent one, a reconnection starts at the original URL.
//   - [Client.IdleTimeout], if set, drops connections that are silent.
package sse

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/textproto"
	"strings"
	"sync/atomic"
	"time"
)

const maxSentID = 8 << 10 // bytes of a Last-Event-ID header; servers refuse larger ones

// A Client opens event streams and keeps them alive. Its zero value is ready. It is safe
// for use by many goroutines, and never written by this package.
type Client struct {
	// HTTPClient sends the requests; nil means [http.DefaultClient]. Its Timeout bounds
	// the wait for a response's header only, redirects included, and never cuts a stream.
	HTTPClient *http.Client

	// Prepare, if not nil, is called before each attempt with the request that is about
	// to be sent: a fresh clone of the caller's, with this package's headers on it. It may
	// change all of it but the context: a token, the query, the method. Its error ends the stream.
	Prepare func(*http.Request) error

	// Reconnect is the policy: whether to connect again after err, from the first
	// attempt on. [Transient] and [Standard] are policies. It is not asked about an error
	// of Prepare or GetBody, about the end of the context, or about 204, which all
	// end the stream.
	//
	// Nil means: if the stream has been open once, and net/http would replay the request
	// (GET, HEAD, OPTIONS, TRACE, or one with an Idempotency-Key; with no body, or one
	// that GetBody can give again), and Transient(err).
	Reconnect func(err error) bool

	// NewBackoff makes the policy of the waits between connections. It is called at the
	// first failure after progress with the reconnection time: the server's last retry
	// value, clamped to 10 ms … 1 h, or 1 s. The policy is then asked once for each wait; no
	// wait is shorter than the reconnection time, nor than a Retry-After.
	//
	// Nil means exponential growth from the reconnection time to 30 s, each wait
	// lengthened by a random part of up to its own length.
	NewBackoff func(initial time.Duration) Backoff

	// IdleTimeout is how long a Read may wait for a byte, be it of a comment, before the
	// connection is dropped with [ErrIdleTimeout]. It also bounds the wait for the header
	// where HTTPClient sets no Timeout. HTTPClient's idle connections are closed then, and
	// one of HTTP/2 takes no more streams: they may be as dead. Zero means for ever: a server
	// that vanished without a word is then noticed by TCP alone, after minutes if at all.
	IdleTimeout time.Duration

	// MaxEventSize is the parser's: see [Parser]. Zero means DefaultMaxEventSize.
	MaxEventSize int

	// Trace, if not nil, sees what the streams do. Errors that a new connection
	// cures go there alone.
	Trace *Trace
}

// Get returns the events at url, with the zero [Client]. See [Client.Events].
func Get(ctx context.Context, url string) iter.Seq2[Event, error] {
	return new(Client).Get(ctx, url)
}

// Get returns the events at url. See [Client.Events].
func (c *Client) Get(ctx context.Context, url string) iter.Seq2[Event, error] {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return func(yield func(Event, error) bool) { yield(Event{}, err) }
	}
	return c.Events(req)
}

// Events returns the events that the response to req streams, across as many connections
// as it takes: each resumes after the last event whose loop body has returned. Everything
// happens on the goroutine that ranges, and each range opens a stream of its own.
//
// An error is always the end. It comes once, last and with the zero Event; drops that a new
// connection cures go to Client.Trace alone. The sequence ends without an error
// after break, after 204 No Content, and after a clean close that the policy does not want
// back. When the context of req is done it ends with [context.Cause], and nothing
// that was buffered is delivered.
//
// Req is never written: each attempt is a clone. A Last-Event-ID header on it is where
// the stream starts. Accept, Cache-Control and Accept-Encoding are set unless req sets them.
func (c *Client) Events(req *http.Request) iter.Seq2[Event, error] {
	var sent atomic.Bool // the body, where it can be sent only once
	return func(yield func(Event, error) bool) {
		hc := *http.DefaultClient
		if c.HTTPClient != nil {
			hc = *c.HTTPClient
		}
		headerTime := hc.Timeout
		if headerTime == 0 {
			headerTime = c.IdleTimeout
		}
		hc.Timeout = 0 // it would cut the stream
		s := &stream{
			ctx: req.Context(),
			newRequest: func(ctx context.Context, lastEventID string) (*http.Request, error) {
				if singleUse(req) && sent.Swap(true) {
					return nil, errors.New("sse: the request's body is spent, and it has no GetBody")
				}
				return c.newRequest(ctx, req, lastEventID)
			},
			client: &hc,
			policy: func(err error, attempt *http.Request, opened bool) error {
				return c.policy(err, req, attempt, opened)
			},
			newBackoff: c.NewBackoff,
			headerTime: headerTime,
			idleTime:   c.IdleTimeout,
			parser:     &Parser{MaxEventSize: c.MaxEventSize},
			cursor:     req.Header.Get("Last-Event-ID"),
		}
		if s.newBackoff == nil {
			s.newBackoff = func(initial time.Duration) Backoff { return newExponential(initial) }
		}
		if c.Trace != nil {
			s.trace = *c.Trace
		}
		if comment := s.trace.Comment; comment != nil {
			s.parser.Comment = func(text []byte) {
				if s.ctx.Err() == nil {
					comment(string(text))
				}
			}
		}
		s.parser.setLastEventID(s.cursor)
		s.run(yield)
	}
}

// newRequest returns the request of one attempt, which resumes after lastEventID.
func (c *Client) newRequest(ctx context.Context, orig *http.Request, lastEventID string) (*http.Request, error) {
	req := orig.Clone(ctx)
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if orig.GetBody != nil {
		body, err := orig.GetBody()
		if err != nil {
			return nil, err
		}
		req.Body = body
	}
	for name, value := range map[string]string{
		"Accept":          "text/event-stream",
		"Cache-Control":   "no-cache",
		"Accept-Encoding": "identity", // a proxy that compresses and does not flush stalls the stream
	} {
		if _, ok := req.Header[name]; !ok {
			req.Header.Set(name, value)
		}
	}
	req.Header.Del("Last-Event-ID")
	// HTTP/1 trims the spaces around a value, HTTP/2 forbids them and net/http sends them.
	if id := textproto.TrimString(lastEventID); id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	if c.Prepare != nil {
		if err := c.Prepare(req); err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, err
		}
	}
	return req, nil
}

// policy returns nil to connect again after err, or the error that the stream ends with.
func (c *Client) policy(err error, orig, attempt *http.Request, opened bool) error {
	again := opened && replayable(attempt) && Transient(err)
	if c.Reconnect != nil {
		again = c.Reconnect(err)
	}
	switch {
	case !again:
		return err
	case singleUse(orig):
		return fmt.Errorf("sse: cannot reconnect, the request's body has no GetBody: %w", err)
	}
	return nil
}

// singleUse reports whether req has a body that can be sent only once.
func singleUse(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody && req.GetBody == nil
}

// replayable reports whether sending req twice does no harm, by net/http's rule.
func replayable(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return !singleUse(req)
	}
	_, key := req.Header["Idempotency-Key"]
	_, xkey := req.Header["X-Idempotency-Key"]
	return (key || xkey) && !singleUse(req)
}

// sendable reports whether a Last-Event-ID header can carry id: net/http refuses
// control characters, and servers refuse large headers.
func sendable(id string) bool {
	return len(id) <= maxSentID && strings.IndexFunc(id, func(r rune) bool {
		return r < ' ' && r != '\t' || r == 0x7f
	}) < 0
}
