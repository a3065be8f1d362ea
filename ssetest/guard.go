package ssetest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
)

var errReturned = errors.New("ssetest: the handler of this response has returned")

// A guard is a handler's ResponseWriter. It stands between net/http and what may be left
// of a handler: a goroutine that writes when the handler has returned, which net/http does
// not survive, and a handler that does not notice that its test has ended.
type guard struct {
	http.ResponseWriter
	s        *Server
	returned atomic.Bool
	record   *record // for TestHandler; nil: none
}

// check returns an error once the handler has returned. It ends a goroutine that writes
// although its test has given up on it.
func (g *guard) check() error {
	if g.s.abandoned.Load() {
		runtime.Goexit()
	}
	if g.returned.Load() {
		return errReturned
	}
	return nil
}

func (g *guard) Write(p []byte) (int, error) {
	if err := g.check(); err != nil {
		return 0, err
	}
	g.record.write(g.Header(), string(p))
	return g.ResponseWriter.Write(p)
}

func (g *guard) WriteString(text string) (int, error) {
	if err := g.check(); err != nil {
		return 0, err
	}
	g.record.write(g.Header(), text)
	return io.WriteString(g.ResponseWriter, text)
}

func (g *guard) WriteHeader(code int) {
	if g.check() == nil {
		g.record.write(g.Header(), "")
		g.ResponseWriter.WriteHeader(code)
	}
}

func (g *guard) FlushError() error {
	if err := g.check(); err != nil {
		return err
	}
	g.record.write(g.Header(), "")
	return http.NewResponseController(g.ResponseWriter).Flush()
}

// Flush makes a guard an http.Flusher, which many handlers ask for.
func (g *guard) Flush() { _ = g.FlushError() }

// Hijack makes a guard an http.Hijacker, for the same reason.
func (g *guard) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := g.check(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(g.ResponseWriter).Hijack()
}

// CloseNotify makes a guard an http.CloseNotifier, which is deprecated, but which gin's
// streams insist on.
func (g *guard) CloseNotify() <-chan bool {
	return g.ResponseWriter.(interface{ CloseNotify() <-chan bool }).CloseNotify()
}

// Unwrap serves http.ResponseController: deadlines, full duplex.
func (g *guard) Unwrap() http.ResponseWriter { return g.ResponseWriter }
