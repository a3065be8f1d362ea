package sse

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// How a stream leaves a dead HTTP/2 connection. Silence on one stream proves nothing about
// its connection, which other streams may be using, so a stream that was silent is opened
// again on the same one. If it then gets no header either, the connection is left: it
// is not closed, but takes no new streams, so that the streams that leave it share another.

// A path is what a stream knows of the network connections below HTTP.
type path struct {
	silent bool     // silence ended the last attempt
	leave  bool     // and the one before it, and the last one did not even get a header
	dead   net.Conn // the HTTP/2 connection to leave; nil: there is none
}

// A wire is what one attempt used. Its hooks may run on any goroutine.
type wire struct {
	mu    sync.Mutex
	conn  net.Conn
	http2 bool
}

// watch returns a context in which w takes down what a request uses.
func (w *wire) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.conn = info.Conn
		},
		WroteHeaderField: func(key string, _ []string) {
			if key == ":authority" { // a name that only HTTP/2 has
				w.mu.Lock()
				defer w.mu.Unlock()
				w.http2 = true
			}
		},
	})
}

// note takes down what has ended a connection.
func (p *path) note(c *connection, err error) {
	if err != ErrIdleTimeout {
		*p = path{}
		return
	}
	p.leave = p.silent && c.resp == nil
	p.silent, p.dead = true, nil
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	if p.leave && c.wire.http2 {
		p.dead = c.wire.conn
	}
}

// client returns what sends the next request.
func (p *path) client(hc *http.Client) *http.Client {
	switch {
	case !p.leave:
		return hc
	case p.dead == nil:
		// An HTTP/1.1 connection has ended with its attempt, and the idle ones may be as dead.
		hc.CloseIdleConnections()
		return hc
	}
	leaving := *hc
	leaving.Transport = &leaver{hc.Transport, p.dead}
	if hc.Transport == nil {
		leaving.Transport.(*leaver).RoundTripper = http.DefaultTransport
	}
	return &leaving
}

// A leaver is a RoundTripper that leaves a dead HTTP/2 connection. It recognizes the
// connection when net/http has chosen it for a request, marks it by that request as one
// that takes no more, gives the request up, and sends it again. The mark is the header
// "Connection: close", which net/http reads after it has chosen. A RoundTripper in between
// that clones requests does not pass on what is set so late: then, at the last try, the
// request has the header from the start, and marks whatever connection it gets.
type leaver struct {
	http.RoundTripper
	dead net.Conn
}

const (
	maxLeaves = 3                      // requests that are given up, while others are at the connection, too
	leaveTime = 100 * time.Millisecond // for a request's header to be written, before it is given up
)

func (l *leaver) RoundTrip(req *http.Request) (*http.Response, error) {
	for n := range maxLeaves {
		resp, err, left := l.try(req, n == maxLeaves-1)
		if !left {
			return resp, err
		}
		if hasBody(req) {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			req = req.Clone(req.Context())
			req.Body = body
		}
	}
	return l.RoundTripper.RoundTrip(req)
}

// try sends the request and, if it went to the dead connection, gives it up. Marked is
// whether it has the mark from the start.
func (l *leaver) try(req *http.Request, marked bool) (resp *http.Response, err error, left bool) {
	ctx, cancel := context.WithCancel(req.Context())
	var hit atomic.Bool
	sent := req.Clone(ctx)
	if marked {
		sent.Header.Set("Connection", "close")
	}
	sent = sent.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if !same(info.Conn, l.dead) {
				return
			}
			sent.Header.Set("Connection", "close")
			if !hasBody(req) || req.GetBody != nil {
				hit.Store(true)
				time.AfterFunc(leaveTime, cancel)
			}
		},
		WroteHeaders: func() {
			if hit.Load() {
				cancel()
			}
		},
	}))
	resp, err = l.RoundTripper.RoundTrip(sent)
	left = hit.Load() && req.Context().Err() == nil
	if left {
		cancel()
	}
	if resp != nil {
		resp.Request = req
		if left {
			resp.Body.Close()
		}
	}
	return resp, err, left
}

// same reports whether a and b are one connection, also where their types cannot be compared.
func same(a, b net.Conn) bool {
	return a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
