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

// This file describes how a stream leaves a dead HTTP/2 connection. Silence on one stream
// proves nothing about its connection, which other streams may be using, so a stream that
// was silent is first opened again on the same connection. If it then gets no header either,
// it leaves the connection. The connection is not closed, but it accepts no new streams, so
// that all streams that leave it share another one.

// A path is what a stream knows about the network connections below HTTP.
type path struct {
	idledOut bool     // silence ended the last attempt
	leave    bool     // silence ended the last two attempts, and the last one got not even a header
	dead     net.Conn // the HTTP/2 connection to leave, or nil
}

// A wire is the network connection that one attempt used. Its hooks may run on any
// goroutine.
type wire struct {
	mu    sync.Mutex
	conn  net.Conn
	http2 bool
}

// watch returns a context for a request whose network connection w is to learn.
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

// note learns from err, which has ended a connection.
func (p *path) note(c *connection, err error) {
	if err != ErrIdleTimeout {
		*p = path{}
		return
	}
	p.leave = p.idledOut && c.resp == nil
	p.idledOut, p.dead = true, nil
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	if p.leave && c.wire.http2 {
		p.dead = c.wire.conn
	}
}

// client returns the http.Client that sends the next request.
func (p *path) client(hc *http.Client) *http.Client {
	switch {
	case !p.leave:
		return hc
	case p.dead == nil:
		// An HTTP/1.1 connection has ended with its attempt. The idle ones may be dead, too.
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
// connection when net/http has chosen it for a request, and marks it by the header
// "Connection: close" on that request: net/http reads the header only then, and gives the
// connection no more streams. The leaver cancels this request, and sends it again.
//
// A RoundTripper in between that clones requests does not see a header that is set so late.
// The last try therefore has the header from the start, and marks the connection that it
// gets, whichever that is.
type leaver struct {
	http.RoundTripper
	dead net.Conn
}

const (
	maxLeaves = 3                      // requests that are canceled; other streams may hold the connection, too
	leaveTime = 100 * time.Millisecond // for a request's header to be written, before it is canceled
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

// try sends the request and, if it went to the dead connection, cancels it and reports that
// it has left. Marked is whether the request has the header from the start.
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

// same reports whether a and b are one connection. Types that cannot be compared never are.
func same(a, b net.Conn) bool {
	return a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
