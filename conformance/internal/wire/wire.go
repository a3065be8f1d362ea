// Package wire serves a handler over loopback in each version of HTTP, and connects to it.
package wire

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/lastevent/sse/lean"
)

// A Protocol is a version of HTTP.
type Protocol string

// The protocols. HTTP3 runs over UDP. Lean is HTTP/1.1 by the client's transport of package
// lean; the others are net/http's and quic-go's.
const (
	HTTP1 Protocol = "HTTP/1.1"
	Lean  Protocol = "HTTP/1.1, lean"
	HTTP2 Protocol = "HTTP/2"
	H2C   Protocol = "h2c"
	HTTP3 Protocol = "HTTP/3"
)

// IsHTTP1 reports whether each stream has a connection of its own.
func (p Protocol) IsHTTP1() bool { return p == HTTP1 || p == Lean }

// URL returns the URL of a server at addr.
func (p Protocol) URL(addr string) string {
	if p == HTTP2 || p == HTTP3 {
		return "https://" + addr
	}
	return "http://" + addr
}

// Transport returns a transport that speaks only p, until the test ends.
func (p Protocol) Transport(t testing.TB) http.RoundTripper {
	insecure := &tls.Config{InsecureSkipVerify: true}
	if p == HTTP3 {
		tr := &http3.Transport{TLSClientConfig: insecure}
		t.Cleanup(func() { tr.Close() })
		return tr
	}
	if p == Lean {
		return &lean.Transport{TLSClientConfig: insecure}
	}
	tr := &http.Transport{TLSClientConfig: insecure, Protocols: new(http.Protocols)}
	p.set(tr.Protocols)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (p Protocol) set(to *http.Protocols) {
	to.SetHTTP1(p.IsHTTP1())
	to.SetHTTP2(p == HTTP2)
	to.SetUnencryptedHTTP2(p == H2C)
}

// A Server serves a handler at an address that stays the same across restarts.
type Server struct {
	Addr     string
	protocol Protocol
	handler  http.Handler
	stop     func()
}

// Serve serves h until the test ends.
func (p Protocol) Serve(t testing.TB, h http.Handler) *Server {
	s := &Server{Addr: "127.0.0.1:0", protocol: p, handler: h}
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

// URL returns the server's URL.
func (s *Server) URL() string { return s.protocol.URL(s.Addr) }

// Start starts a server that is not running.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) start() error {
	config := &tls.Config{Certificates: []tls.Certificate{Certificate()}}
	if s.protocol == HTTP3 {
		pc, err := listen(s.Addr, net.ListenPacket, "udp")
		if err != nil {
			return err
		}
		s.Addr = pc.LocalAddr().String()
		srv := &http3.Server{Handler: s.handler, TLSConfig: http3.ConfigureTLSConfig(config)}
		go func() { _ = srv.Serve(pc) }() // until stop
		s.stop = func() { srv.Close(); pc.Close() }
		return nil
	}
	ln, err := listen(s.Addr, net.Listen, "tcp")
	if err != nil {
		return err
	}
	s.Addr = ln.Addr().String()
	srv := &http.Server{Handler: s.handler, TLSConfig: config, Protocols: new(http.Protocols), ErrorLog: log.New(io.Discard, "", 0)}
	s.protocol.set(srv.Protocols)
	s.stop = func() { srv.Close() }
	if s.protocol == HTTP2 {
		go func() { _ = srv.ServeTLS(ln, "", "") }() // until stop
	} else {
		go func() { _ = srv.Serve(ln) }()
	}
	return nil
}

// listen listens on addr, which may be in use for a moment longer.
func listen[L any](addr string, f func(network, addr string) (L, error), network string) (ln L, err error) {
	for range 100 {
		if ln, err = f(network, addr); err == nil {
			return ln, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ln, err
}

// Stop closes the server and its connections, as a process that is killed does.
func (s *Server) Stop() { s.stop() }
