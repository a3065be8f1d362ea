package ssetest

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/lastevent/sse"
)

const maxRecorded = 64 << 10 // bytes of each response that are kept for failures and Received

// An exchange is a request and what was read of its response.
type exchange struct {
	server  *Server
	request *http.Request // a copy, without the body
	reader  *Reader       // whose stream made the request; nil: not known
	at      time.Duration // since the server started
	cancel  context.CancelFunc
	status  string // of the response; "": none yet
	body    []byte // up to where the client has read it, at most maxRecorded
	more    int    // bytes that were read after these
	err     error  // what ended it, if not the client and not the kit
	endedAt time.Duration
}

// endedError is what the body of a stream returns when the kit ends the stream. It is not
// io.EOF, so that nothing unfinished is delivered. It is that of a refusal for good, so that
// a client does not wait for its next attempt unless its policy reconnects after everything;
// then the answer to that attempt is 204.
type endedError struct{}

func (endedError) Error() string { return "ssetest: the test has left the stream" }

func (endedError) Unwrap() error { return &sse.ResponseError{StatusCode: http.StatusGone} }

// recordingTransport is the transport of a Server's client.
type recordingTransport Server

func (rt *recordingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	s := (*Server)(rt)
	ctx, cancel := context.WithCancel(r.Context())
	x := &exchange{
		server: s, request: r.Clone(context.Background()), reader: readerOfCall(),
		at: time.Since(s.start), cancel: cancel,
	}
	if x.reader != nil {
		x.reader.mu.Lock()
		x.reader.exchanges = append(x.reader.exchanges, x)
		x.reader.mu.Unlock()
	}
	s.mu.Lock()
	ended := s.ends(x)
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
		resp.Body = &recordingBody{ReadCloser: resp.Body, x: x}
	case s.ends(x):
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
	x *exchange
}

func (b *recordingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	x := b.x
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	kept := min(n, maxRecorded-len(x.body))
	x.body = append(x.body, p[:kept]...)
	x.more += n - kept
	switch {
	case err == nil:
		return n, nil
	case x.server.ends(x):
		return n, endedError{}
	}
	x.err, x.endedAt = err, time.Since(x.server.start)
	return n, err
}

func (b *recordingBody) Close() error {
	b.x.cancel()
	return b.ReadCloser.Close()
}
