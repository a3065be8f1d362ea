package record

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A tap is a connection of HTTP/1.1 on which what the transport reads is looked at, below
// everything that decodes, buffers or parses it.
type tap struct {
	net.Conn
	mu sync.Mutex
	to *splitter // of the response that is being read, or was last
}

// attach has a splitter see what is read from now on.
func (t *tap) attach(s *splitter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to = s
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	at := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to == nil {
		return n, err
	}
	t.to.write(at, p[:n])
	if err == io.EOF && t.to.closed() {
		t.to.finish(at)
	}
	return n, err
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// tapTransport has a transport's connections of HTTP/1.1 tapped: those without TLS, and those
// with TLS that go through no proxy. Only of these a recording has the chunks; of all others
// it has what each Read returns.
func tapTransport(tr *http.Transport) {
	tr.MaxResponseHeaderBytes = maxHeader
	if tr.Protocols != nil && !tr.Protocols.HTTP1() {
		return
	}
	var dial dialer = tr.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &tap{Conn: conn}, nil
	}
	config := new(tls.Config)
	if tr.TLSClientConfig != nil {
		config = tr.TLSClientConfig.Clone()
	}
	config.NextProtos = []string{"http/1.1"}
	if tr.ForceAttemptHTTP2 || tr.Protocols != nil && tr.Protocols.HTTP2() {
		config.NextProtos = slices.Insert(config.NextProtos, 0, "h2")
	}
	timeout := tr.TLSHandshakeTimeout
	tr.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		secure, err := handshake(ctx, timeout, conn, addr, config)
		if err != nil {
			conn.Close()
			return nil, err
		}
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			return secure, nil // which the transport must see for what it is
		}
		return &tap{Conn: secure}, nil
	}
}

// handshake makes a connection to an address secure.
func handshake(ctx context.Context, timeout time.Duration, conn net.Conn, addr string, config *tls.Config) (*tls.Conn, error) {
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		config = config.Clone()
		config.ServerName = host
	}
	if timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	secure := tls.Client(conn, config)
	return secure, secure.HandshakeContext(ctx)
}
