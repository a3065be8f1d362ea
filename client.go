package sse

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"
)

// A Client opens event streams and keeps them alive. Its zero value is ready. It is safe
// for use by many goroutines, and never written by this package.
type Client struct {
	// HTTPClient sends the requests; nil means [http.DefaultClient]. Its Timeout bounds
	// the wait for a response's header only, redirects included, and never cuts a stream.
	HTTPClient *http.Client

	// Prepare, if not nil, is called before each attempt with the request that is about
	// to be sent: a fresh clone of the caller's, with this package's headers on it. It may
	// change all of it but the context: a token, the query, the method, the body. Its error
	// ends the stream.
	Prepare func(*http.Request) error

	// CheckResponse decides whether a response opens the stream; nil means the function
	// [CheckResponse]. It may read the body, and may replace it by what should be read as
	// the stream. Its error ends the connection, and the policy is asked about it. Under
	// the default policy an error that is no [*ResponseError] ends the stream. 204 No
	// Content ends the stream before CheckResponse is called.
	//
	// What it reads is bounded by IdleTimeout and the request's context only.
	CheckResponse func(*http.Response) error

	// Reconnect is the policy: whether to reconnect after err, from the first attempt
	// on. [Transient] and [Standard] are policies. It is not asked about an error of
	// Prepare or GetBody, about the end of the context, or about 204, which all end the
	// stream, and not about Stream.Restart.
	//
	// Nil means: if the stream has been open once, and net/http would replay the request
	// as it was sent (GET, HEAD, OPTIONS, TRACE, or one with an Idempotency-Key; with no
	// body, or one that can be had again), and Transient(err). A clean close ends the
	// stream if the method is neither GET nor HEAD: the answer is complete.
	//
	// A policy of your own is asked whatever the request: with Reconnect: Transient, a POST
	// is sent again, even after its complete answer. It may look at its Stream's LastEventID
	// and Response. It gets no request: for what belongs to one stream, make a copy of the
	// Client for it.
	Reconnect func(err error) bool

	// ReconnectionTime is the wait before a reconnection, until the server's retry says
	// otherwise. Zero means 1 s. It is held within 10 ms … 1 h.
	ReconnectionTime time.Duration

	// NewBackoff makes the policy of the waits between connections. It is called at the
	// first failure after progress with the reconnection time: the server's last retry
	// value, or ReconnectionTime, within 10 ms … 1 h. The policy is then asked once for
	// each wait. A wait is lengthened to the server's retry and to its Retry-After, if it
	// sent them, and never shortened.
	//
	// Nil means exponential growth from the reconnection time to 30 s, each wait
	// lengthened by a random part of up to its own length. For a policy that belongs to one
	// stream, make a copy of the Client for it.
	NewBackoff func(initial time.Duration) Backoff

	// IdleTimeout is how long a Read may wait for a byte, including a comment's, before
	// the connection is dropped with [ErrIdleTimeout]. It also bounds the wait for the
	// header if HTTPClient sets no Timeout. Zero means no limit: only TCP can then detect
	// a server that vanished without a word, after minutes or never.
	IdleTimeout time.Duration

	// MaxEventSize is the parser's: see [Parser]. Zero means DefaultMaxEventSize.
	MaxEventSize int

	// Trace, if not nil, sees what the streams do. Errors that reconnecting fixes are
	// only reported there.
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
		err = redactURL(err, url)
		return func(yield func(Event, error) bool) { yield(Event{}, err) }
	}
	return c.Events(req)
}

// Events returns the events that the response to req streams, over as many connections
// as it takes. Each connection resumes after the last event whose loop body has returned.
// Everything happens on the goroutine that ranges.
//
// Any error ends the sequence, last and with the zero Event; drops that reconnecting
// fixes are only reported to Client.Trace. The sequence ends without an error after
// break, after 204 No Content, and after a clean close if the policy declines to
// reconnect. When the context of req is done it ends with [context.Cause], and nothing
// that was buffered is delivered.
//
// Each range opens a stream of its own, which starts where req says and knows nothing of
// the range before it: a loop around Events, or around [Client.Get], does not resume, has
// no growing waits, and cannot notice that a connection is dead. [Client.Stream] has all
// three over several loops.
//
// After break, up to 4 KiB of the rest of an HTTP/1.1 response to another method than GET
// are read, for 20 ms at most: most servers end the response by then, and its connection
// can be used again.
//
// Req is never written: each attempt is a clone. A Last-Event-ID header on it is where
// the stream starts. Accept, Cache-Control and Accept-Encoding are set unless req sets them.
func (c *Client) Events(req *http.Request) iter.Seq2[Event, error] {
	template := &template{req: req}
	return func(yield func(Event, error) bool) { c.newStream(req.Context(), template).Events()(yield) }
}

// Stream returns the stream of [Client.Events], to be pulled with [Stream.Next]. It
// connects at the first Next. Changes to c after the call do not affect it.
func (c *Client) Stream(req *http.Request) *Stream {
	return c.newStream(req.Context(), &template{req: req})
}

// Continue returns the stream that begins with a response that you already have: the one
// to a POST, say, that a server may answer by JSON or by a stream. It is not checked
// again. Later connections are made for req, and req decides whether there may be any; a
// nil req means none. The stream ends with the context of req, or with that of the
// response's request if req is nil.
//
// A server that replays needs a position: without an ID in force, the GET that continues a
// POST may be another stream, which never has the answer. So a policy for such a request
// should ask for Stream.LastEventID. Set on the request of resp what this package sets on
// its own (Accept, and Accept-Encoding: identity), and send it by an HTTP client without a
// Timeout, which would cut the stream. Prepare sees the later requests only.
//
// There is no Trace.Connect for resp; the other hooks are called for it, too.
func (c *Client) Continue(resp *http.Response, req *http.Request) *Stream {
	ctx := context.Background()
	switch {
	case req != nil:
		ctx = req.Context()
	case resp.Request != nil:
		ctx = resp.Request.Context()
	}
	s := c.newStream(ctx, &template{req: req})
	s.adopted = resp
	return s
}

func (c *Client) newStream(ctx context.Context, t *template) *Stream {
	s := &Stream{client: *c, template: t, ctx: ctx, http: *http.DefaultClient}
	if c.HTTPClient != nil {
		s.http = *c.HTTPClient
	}
	s.headerTime = s.http.Timeout
	if s.headerTime == 0 {
		s.headerTime = c.IdleTimeout
	}
	s.http.Timeout = 0 // it would cut the stream
	if c.Trace != nil {
		s.trace = *c.Trace
	}
	s.parser.MaxEventSize = c.MaxEventSize
	s.parser.keepText = true
	if hook := s.trace.Comment; hook != nil {
		s.parser.Comment = func(text []byte) {
			if s.conn.interrupted() == nil {
				hook(string(text))
			}
		}
	}
	if hook := s.trace.Unknown; hook != nil {
		s.parser.Unknown = func(line []byte) {
			if s.conn.interrupted() == nil {
				hook(string(line))
			}
		}
	}
	if t.req != nil {
		s.resumeID = lastEventID(t.req.Header)
		if !Resumable(s.resumeID) {
			s.end = fmt.Errorf("sse: no Last-Event-ID header can carry the initial ID %q", begin(s.resumeID))
		}
	}
	s.parser.setLastEventID(s.resumeID)
	return s
}
