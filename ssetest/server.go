package ssetest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lastevent/sse/internal/memnet"
)

const (
	address   = "http://sse.test"
	closeWait = 30 * time.Second // for handlers, once their clients have left
)

// A Server serves events until its test ends.
type Server struct {
	t         testing.TB
	handler   http.Handler
	client    *http.Client
	transport *http.Transport
	handlers  sync.WaitGroup
	start     time.Time
	abandoned atomic.Bool // handlers that are left end at their next write
	trial     *trial      // of TestHandler, which reports handlers that are left itself; nil: none

	mu           sync.Mutex
	conns        map[net.Conn]struct{} // the server's ends of what is open
	requests     []*http.Request
	exchanges    []*exchange
	ended        bool // no more for the clients: see ends
	endingStrays int  // the same for exchanges of no known Reader, if more than 0
	closed       bool // no more handlers

	report sync.Mutex
	over   bool // the test must not be used any more
}

// servers finds the servers of a test, for what a failure shows.
var servers struct {
	sync.Mutex
	of map[testing.TB][]*Server
}

// NewServer starts a server with the caller's handler, until the test ends. It is an error
// of the test when a handler panics, with another value than [http.ErrAbortHandler], or has
// not returned 30 seconds after its client left; such a handler ends at its next write.
//
// In a testing/synctest bubble call it with the bubble's t. A handler that waits for ever,
// and for something else than its client, keeps the bubble from ending.
func NewServer(t testing.TB, h http.Handler) *Server { return newServer(t, h, false) }

func newServer(t testing.TB, h http.Handler, http2 bool) *Server {
	l := memnet.Listen()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	s := &Server{
		t: t, handler: h, start: time.Now(), conns: make(map[net.Conn]struct{}),
		transport: &http.Transport{DialContext: l.DialContext, Protocols: protocols},
	}
	s.client = &http.Client{Transport: (*recordingTransport)(s)}
	srv := &http.Server{Handler: http.HandlerFunc(s.serve), ConnState: s.note, Protocols: protocols}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l) // until it is closed
	}()

	servers.Lock()
	if servers.of == nil {
		servers.of = make(map[testing.TB][]*Server)
	}
	servers.of[t] = append(servers.of[t], s)
	servers.Unlock()
	t.Cleanup(func() {
		servers.Lock()
		delete(servers.of, t)
		servers.Unlock()
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.endStreams()
		s.transport.CloseIdleConnections()
		_ = srv.Close()
		<-served
		s.awaitHandlers()
		s.report.Lock()
		s.over = true
		s.report.Unlock()
	})
	return s
}

// awaitHandlers waits for the handlers, and gives up on those that do not return.
func (s *Server) awaitHandlers() {
	returned := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(returned)
	}()
	select {
	case <-returned:
		return
	case <-time.After(closeWait):
	}
	if s.trial == nil {
		s.errorf("ssetest: a handler continues %s after its client left; does it watch the request's Context?", closeWait)
	}
	s.abandoned.Store(true)
	if d := wait(); d == fakePatience { // a bubble does not end before its goroutines do
		select {
		case <-returned:
		case <-time.After(d):
		}
	}
}

// errorf reports an error of the test, unless the test is over: a testing.T panics then.
func (s *Server) errorf(format string, args ...any) {
	s.t.Helper()
	s.report.Lock()
	defer s.report.Unlock()
	if !s.over {
		s.t.Errorf(format, args...)
	}
}

// serve calls the handler.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.enter(r) {
		return
	}
	defer s.handlers.Done()
	g := &guard{ResponseWriter: w, s: s}
	if s.trial != nil {
		g.record = s.trial.newRecord()
	}
	defer func() {
		g.returned.Store(true)
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				s.errorf("ssetest: the handler panicked: %v\n%s", v, debug.Stack())
			}
			panic(http.ErrAbortHandler) // which cuts the connection, as any panic does
		}
	}()
	s.handler.ServeHTTP(g, r)
}

// note keeps the connections that are open.
func (s *Server) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[c] = struct{}{}
	case http.StateClosed:
		delete(s.conns, c)
	}
}

// CloseConnections cuts all connections that are open, as a restart of the server does.
// Clients read what was sent before, and then an error; they reconnect, if their policy
// says so, to the same handler. Handlers see that their clients have left.
func (s *Server) CloseConnections() {
	s.mu.Lock()
	conns := make([]net.Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	clear(s.conns)
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

// enter counts a handler in, unless the test has ended, and keeps its request.
func (s *Server) enter(r *http.Request) bool {
	body, _ := io.ReadAll(r.Body) // net/http sees a client leave only after the body
	kept := r.Clone(context.Background())
	kept.Body, r.Body = reader(body), reader(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.handlers.Add(1)
	s.requests = append(s.requests, kept)
	return true
}

func reader(body []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }

// URL returns the server's address, for Client only.
func (s *Server) URL() string { return address }

// Client returns an HTTP client that reaches the server, whatever the host of a URL.
// Its fields other than Transport may be changed.
func (s *Server) Client() *http.Client { return s.client }

// Requests returns the requests that have reached the server so far, redirects included,
// each with its body.
func (s *Server) Requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Received returns the body of each response so far, to the last byte that Client has read
// (but at most the first 64 KiB): comments, retry fields, the order of fields.
func (s *Server) Received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bodies []string
	for _, x := range s.exchanges {
		bodies = append(bodies, string(x.body))
	}
	return bodies
}

func serversOf(t testing.TB) []*Server {
	servers.Lock()
	defer servers.Unlock()
	return slices.Clone(servers.of[t])
}
