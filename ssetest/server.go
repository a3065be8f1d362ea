// Package ssetest tests event streams from both ends: one's own http.Handler that serves
// events ([Serve]), and one's own client against a server that follows a script
// ([NewServer]).
//
// The server is net/http's, on a network in memory. Inside a testing/synctest bubble
// everything runs in fake time: hours of silence pass at once, and nothing is flaky.
// Outside of one it works just as well, in real time.
//
//	func TestFeed(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			srv := ssetest.Serve(t, feed)
//			client := sse.Client{HTTPClient: srv.Client()}
//			got := ssetest.Take(t, client.Get(t.Context(), srv.URL()), 3)
//			…
//		})
//	}
//
// [Take], [Await] and [None] fail the test with what came, what was awaited, and
// everything that went over the wire. A [Recorder] writes down what a client does.
package ssetest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lastevent/sse/internal/memnet"
)

const (
	address     = "http://sse.test"
	maxRecorded = 64 << 10         // bytes of each response that are kept for failures and Sent
	closeWait   = 10 * time.Second // for handlers, once their clients have left
)

// A Server serves events until its test ends.
type Server struct {
	client    *http.Client
	transport *http.Transport
	handlers  sync.WaitGroup
	start     time.Time

	mu        sync.Mutex
	requests  []*http.Request
	exchanges []*exchange
	ended     bool // no more for the clients: see endStreams
	closed    bool // no more handlers
}

// An exchange is a request and what came back of its response.
type exchange struct {
	request *http.Request   // a copy, without the body
	ctx     context.Context // the client's
	at      time.Duration   // since the server started
	cancel  context.CancelFunc
	status  string // of the response; "": none yet
	body    []byte // as far as the client has read it, at most maxRecorded
	err     error  // what ended it, if not the client
	endedAt time.Duration
}

// servers finds the servers of a test, for what Take tells when it fails.
var servers struct {
	sync.Mutex
	of map[testing.TB][]*Server
}

// Serve starts a server with the caller's handler, until the test ends. It is an error
// of the test when a handler has not returned ten seconds after its client left.
//
// In a testing/synctest bubble call it with the bubble's t.
func Serve(t testing.TB, h http.Handler) *Server {
	l := memnet.Listen()
	s := &Server{start: time.Now(), transport: &http.Transport{DialContext: l.DialContext}}
	s.client = &http.Client{Transport: (*recordingTransport)(s)}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.enter(r) {
			defer s.handlers.Done()
			h.ServeHTTP(w, r)
		}
	})}
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
		returned := make(chan struct{})
		go func() {
			s.handlers.Wait()
			close(returned)
		}()
		select {
		case <-returned:
		case <-time.After(closeWait):
			t.Errorf("ssetest: a handler goes on %s after its client left; does it watch the request's Context?", closeWait)
		}
	})
	return s
}

// enter counts a handler in, unless the test has ended, and keeps its request.
func (s *Server) enter(r *http.Request) bool {
	body, _ := io.ReadAll(r.Body) // net/http sees a client leave only behind the body
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

// URL returns the server's address, for Client alone.
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

// Sent returns the body of each response so far, to the last byte that Client has read
// (but at most the first 64 KiB): comments, retry fields, the order of fields.
func (s *Server) Sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bodies []string
	for _, x := range s.exchanges {
		bodies = append(bodies, string(x.body))
	}
	return bodies
}

// endStreams ends all streams of the server's clients, and tells them not to come back.
func (s *Server) endStreams() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, x := range s.exchanges {
		x.cancel()
	}
}

// welcomeAgain takes the end back, for what the test does next.
func (s *Server) welcomeAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = false
}

// recordingTransport is the transport of a Server's client.
type recordingTransport Server

func (rt *recordingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	s := (*Server)(rt)
	ctx, cancel := context.WithCancel(r.Context())
	x := &exchange{request: r.Clone(context.Background()), ctx: r.Context(), at: time.Since(s.start), cancel: cancel}
	s.mu.Lock()
	ended := s.ended
	if !ended {
		s.exchanges = append(s.exchanges, x)
	}
	s.mu.Unlock()
	if ended {
		cancel()
		return noContent(r), nil
	}

	resp, err := s.transport.RoundTrip(r.WithContext(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		x.status = resp.Status
		resp.Body = &recordingBody{ReadCloser: resp.Body, s: s, x: x}
	case s.ended && x.ctx.Err() == nil:
		cancel()
		return noContent(r), nil
	default:
		cancel()
		x.err, x.endedAt = err, time.Since(s.start)
	}
	return resp, err
}

// noContent is the answer that ends an event stream.
func noContent(r *http.Request) *http.Response {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{
		Status: "204 No Content", StatusCode: http.StatusNoContent, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: http.NoBody, Request: r,
	}
}

// recordingBody keeps what is read of a response.
type recordingBody struct {
	io.ReadCloser
	s       *Server
	x       *exchange
	goodbye []byte // what is left to read of it; not nil: the stream has been ended
}

func (b *recordingBody) Read(p []byte) (int, error) {
	if b.goodbye == nil {
		n, err := b.ReadCloser.Read(p)
		b.s.mu.Lock()
		defer b.s.mu.Unlock()
		b.x.body = append(b.x.body, p[:min(n, maxRecorded-len(b.x.body))]...)
		switch {
		case err == nil:
			return n, nil
		case !b.s.ended || b.x.ctx.Err() != nil:
			b.x.err, b.x.endedAt = err, time.Since(b.s.start)
			return n, err
		}
		// Not the server's doing: let the client come back soon, for its 204. An event that
		// is not finished stays so.
		b.goodbye = []byte("\nretry: 10\n")
		return n, nil
	}
	n := copy(p, b.goodbye)
	b.goodbye = b.goodbye[n:]
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (b *recordingBody) Close() error {
	b.x.cancel()
	return b.ReadCloser.Close()
}

// transcript tells what went over the wire, for a failure.
func (s *Server) transcript() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out bytes.Buffer
	for _, x := range s.exchanges {
		out.WriteString("  " + round(x.at) + ": " + x.request.Method + " " + x.request.URL.RequestURI())
		if id, ok := x.request.Header["Last-Event-Id"]; ok {
			out.WriteString(", Last-Event-ID: " + strings.Join(id, ", "))
		}
		if x.status != "" {
			out.WriteString(": " + x.status)
		}
		out.WriteString("\n")
		for line := range strings.Lines(string(x.body)) {
			out.WriteString("    | " + strings.TrimRight(line, "\r\n") + "\n")
		}
		if x.err != nil {
			out.WriteString("    " + round(x.endedAt) + ": " + x.err.Error() + "\n")
		}
	}
	if out.Len() == 0 {
		return "  nothing\n"
	}
	return out.String()
}

// transcripts tells what went over the wire of a test's servers.
func transcripts(t testing.TB) string {
	var out strings.Builder
	for _, s := range serversOf(t) {
		out.WriteString(s.transcript())
	}
	return out.String()
}

func serversOf(t testing.TB) []*Server {
	servers.Lock()
	defer servers.Unlock()
	return slices.Clone(servers.of[t])
}

func round(d time.Duration) string { return d.Round(time.Millisecond).String() }
