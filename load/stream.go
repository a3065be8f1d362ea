package load

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/lastevent/sse"
)

// What a stream is doing.
const (
	opening int32 = iota // it has never been open
	isOpen
	away // between two connections
	done // over, without an error
	lost // over, with one
	refused
)

// A stream is one of the streams of a run. One goroutine follows it. It is the RoundTripper that sends
// its requests.
//
// There may be a hundred thousand, so that each byte of one counts. What runs before a stream waits for its next
// event must do with a stack of 4 KiB, since one that has grown to 8 does not shrink while it waits.
type stream struct {
	run   *run
	ctx   context.Context // of all streams; its end is the end of the run
	i     int
	topic *topic
	due   time.Duration
	slow  bool

	// The stream's goroutine writes these, and the run reads them.
	state     atomic.Int32
	openSince atomic.Int64 // a time.Duration since the start of the run
	events    atomic.Int64
	bytes     atomic.Int64
	greatest  atomic.Int64 // number that it has read
	body      atomic.Pointer[body]

	// Only the stream's goroutine uses these, until it ends.
	begun     bool // the first event has come,
	said      bool // and one that says something
	wasOpen   bool // the current connection opened the stream
	firstOpen time.Duration
	ended     time.Duration // when the last connection did
	cohort    *cohort       // that the stream was dropped with; nil: it is back
	numbered  int64
	sequence  sequence

	// Only the run's ticker uses these.
	base    int64 // the number from which on the stream is expected to follow the topic
	stalled bool
}

// follow opens the stream, and reads it until it is over.
func (st *stream) follow() {
	defer st.run.streaming.Done()
	s, err := st.begin()
	if err != nil {
		st.run.failures.count(cause{"the request could not be made", ""}, err)
		st.over(err)
		return
	}
	for {
		if err = s.Next(); err != nil {
			break
		}
		st.read(s)
	}
	s.Close()
	st.over(err)
}

// begin makes the stream's request and client.
func (st *stream) begin() (*sse.Stream, error) {
	r := st.run
	n := st.i % len(r.cfg.URLs)
	if r.cfg.Request == nil { // package sse does not write to it
		return st.client(http.MethodGet).Stream(r.requests[n]), nil
	}
	req, err := r.cfg.Request(st.i, r.cfg.URLs[n])
	if err != nil {
		return nil, err
	}
	return st.client(req.Method).Stream(req.WithContext(st.ctx)), nil
}

// client returns the client of the stream.
func (st *stream) client(method string) *sse.Client {
	r := st.run
	c := r.cfg.Client
	c.HTTPClient = &http.Client{Transport: st, Timeout: r.cfg.OpenIn}
	c.Trace = &sse.Trace{Connect: st.connecting, Open: st.opened, Disconnect: st.disconnected}
	policy := c.Reconnect
	if policy == nil && r.cfg.ExpectRestart && (method == "" || method == http.MethodGet || method == http.MethodHead) {
		policy = sse.Transient
	}
	if policy != nil {
		c.Reconnect = func(err error) bool {
			if st.state.Load() == opening && r.now()-st.due > r.cfg.OpenIn {
				return false
			}
			return policy(err)
		}
	}
	return &c
}

// RoundTrip sends a request of the stream.
func (st *stream) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	var cancel context.CancelCauseFunc
	if len(st.run.cfg.Kill) > 0 {
		ctx, cancel = context.WithCancelCause(ctx)
	}
	// A trace costs memory for as long as the connection lasts, and our dialer needs none for http.
	secure := req.URL.Scheme == "https"
	if secure || st.run.cfg.Transport != nil {
		ctx = st.run.traceConnect(ctx)
	}
	if secure || st.slow {
		ctx = context.WithValue(ctx, dialingKey{}, dialing{secure, st.slow})
	}
	if ctx != req.Context() {
		req = req.WithContext(ctx)
	}
	resp, err := st.run.transport.RoundTrip(req)
	if err != nil {
		if cancel != nil {
			cancel(nil)
		}
		return resp, err
	}
	b := &body{ReadCloser: resp.Body, stream: st, cancel: cancel}
	if st.slow {
		b.ctx = ctx
	}
	resp.Body = b
	st.body.Store(b)
	return resp, nil
}

// traceConnect measures how long the transport takes to connect.
func (r *run) traceConnect(ctx context.Context) context.Context {
	var start atomic.Int64
	note := func() {
		if at := start.Swap(-1); at >= 0 {
			r.connect.record(r.now() - time.Duration(at))
		}
	}
	start.Store(-1)
	secure := false
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:           func(string) { start.Store(int64(r.now())) },
		TLSHandshakeStart: func() { secure = true },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				note()
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			if !info.Reused && !secure {
				note()
			}
		},
	})
}

// The hooks of the trace.

func (st *stream) connecting(*http.Request) {
	st.run.attempts.Add(1)
	st.wasOpen = false
	if st.cohort != nil {
		st.run.storms.attempt(st.cohort, st.run.now())
	}
}

func (st *stream) opened(*http.Response) {
	r, now := st.run, st.run.now()
	if st.state.Load() == opening {
		st.firstOpen = now
		r.header.record(now - st.due)
		r.openedOnce.Add(1)
	} else {
		r.reconnects.Add(1)
		r.reconnect.record(now - st.ended)
	}
	if st.cohort != nil {
		r.storms.back(st.cohort, now)
		st.cohort = nil
	}
	st.wasOpen = true
	st.openSince.Store(int64(now))
	st.state.Store(isOpen)
	r.open.Add(1)
}

func (st *stream) disconnected(info sse.DisconnectInfo) {
	r, now := st.run, st.run.now()
	b := st.body.Swap(nil)
	if st.ctx.Err() != nil { // the run is over
		return
	}
	if !st.wasOpen {
		if info.Err != nil { // not 204
			r.failures.count(causeOf(info.Err), info.Err)
		}
		return
	}
	st.wasOpen = false
	st.ended = now
	st.state.Store(away)
	stillOpen := int(r.open.Add(-1))
	r.ends.count(causeOf(info.Err), info.Err)
	if !info.Reconnect && (info.Err == nil || info.Err == io.EOF) {
		return // the stream is done
	}
	var killed *cohort
	if b != nil {
		killed = b.killed.Load()
	}
	if killed != nil && errors.Is(info.Err, errKilled) {
		r.killed.Add(1)
		st.cohort = killed
		r.storms.killed(killed)
		return
	}
	r.drops.Add(1)
	st.cohort = r.storms.drop(now, stillOpen)
}

// over notes the end of the stream.
func (st *stream) over(err error) {
	r := st.run
	if st.ctx.Err() != nil {
		return
	}
	if st.cohort != nil {
		r.storms.over(st.cohort)
		st.cohort = nil
	}
	switch {
	case st.state.Load() == opening && err == io.EOF: // 204
		r.openedOnce.Add(1)
		st.state.Store(done)
	case st.state.Load() == opening:
		r.refusals.count(causeOf(err), err)
		st.state.Store(refused)
	case err == io.EOF:
		st.state.Store(done)
	default:
		st.state.Store(lost)
		r.lost.Add(1)
	}
	if r.following.Add(-1) == 0 {
		close(r.allOver)
	}
}
