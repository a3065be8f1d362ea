package lean

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	defaultDialTimeout      = 30 * time.Second // as http.DefaultTransport has them
	defaultHandshakeTimeout = 10 * time.Second
	defaultMaxHeader        = 256 << 10 // bytes
	proxyTimeout            = time.Minute
)

// A Transport is an [http.RoundTripper] for event streams. Each request has a connection of
// its own, over HTTP/1.1, which ends with the response's body. The zero value is ready to
// use. Fields that http.Transport has, too, mean the same here, but for the defaults that
// are given below. A Transport may be used by several goroutines at once, and its fields
// must not change once it is in use.
type Transport struct {
	// Proxy returns the proxy for a request, or nil for none; a nil Proxy means none. The
	// URL's scheme is http or https. Its userinfo is sent as Proxy-Authorization.
	// [http.ProxyFromEnvironment] is what http.DefaultTransport uses.
	Proxy func(*http.Request) (*url.URL, error)

	// ProxyConnectHeader is sent with each CONNECT request.
	ProxyConnectHeader http.Header

	// DialContext makes the connections. If it is nil, a [net.Dialer] with a limit of 30
	// seconds does.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// TLSClientConfig is the configuration of TLS; nil means the default one. NextProtos is
	// replaced: the only protocol is http/1.1.
	TLSClientConfig *tls.Config

	// TLSHandshakeTimeout limits each TLS handshake; 0 means 10 seconds.
	TLSHandshakeTimeout time.Duration

	// ResponseHeaderTimeout limits the wait for the response's header once the request,
	// including its body, has been written; 0 means no limit but the request's context.
	ResponseHeaderTimeout time.Duration

	// MaxResponseHeaderBytes limits the response's header, including the headers of 1xx
	// responses before it; 0 means 256 KiB.
	MaxResponseHeaderBytes int64

	lastTLS atomic.Pointer[tlsConfig]
}

var _ http.RoundTripper = (*Transport)(nil)

// RoundTrip sends a request and returns the response as soon as its header has arrived. The
// end of the request's context closes the connection; a Read of the response's body then
// returns the context's cause.
//
// Read returns what has arrived, and never waits for more. Close closes the connection
// without waiting for the server. A connection is also closed at the end of the body, so
// that a body that was read to its end holds nothing.
//
// If the request has a body, it is written while the response is awaited, and goes on to be
// written once the response is there. An "Expect: 100-continue" is sent as any other header,
// and not waited for.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := check(req); err != nil {
		closeBody(req)
		return nil, err
	}
	o, err := t.open(req)
	if err != nil {
		return nil, err
	}
	head := &headReader{conn: o.conn, left: t.maxHeader()}
	if o.conn.tls == nil {
		err = head.await()
	}
	var resp *http.Response
	if err == nil {
		resp, err = o.receive(head)
	}
	if err != nil {
		err = o.conn.cause(err)
		o.conn.close(err)
		return nil, err
	}
	resp.Request = req
	return resp, nil
}

// An exchange is one request and its response, on a connection.
type exchange struct {
	conn *conn
	req  outgoing
	err  error // of opening it
}

// The goroutine that calls RoundTrip is the one that reads the stream, and its stack stays
// as large as it ever was: the runtime makes a stack smaller only while less than a quarter
// of it is in use. So everything that needs much of it runs on goroutines that end: open
// and receive. A stack of 4 KiB is then enough, of which http.Client takes half.

// open connects, and writes the request. It does not wait for the end of the request's body.
func (t *Transport) open(req *http.Request) (*exchange, error) {
	opened := make(chan *exchange, 1)
	go func() {
		o := new(exchange)
		o.conn, o.req, o.err = t.connect(req)
		if o.err != nil {
			closeBody(req)
			opened <- o
			return
		}
		withBody := o.req.hasBody()
		if withBody {
			opened <- o
		}
		o.conn.wrote(o.req.write(o.conn), t.ResponseHeaderTimeout)
		if !withBody {
			opened <- o
		}
	}()
	select {
	case o := <-opened:
		if o.err != nil && req.Context().Err() != nil {
			return nil, context.Cause(req.Context())
		}
		return o, o.err
	case <-req.Context().Done(): // which also closes a connection that is made late
		return nil, context.Cause(req.Context())
	}
}

// receive receives the response, up to its body.
func (o *exchange) receive(head *headReader) (resp *http.Response, err error) {
	received := make(chan struct{})
	go func() {
		defer close(received)
		var rest []byte
		if resp, rest, err = readHead(head, o.req.Request); err != nil {
			return
		}
		o.conn.gotHeader()
		if s := o.conn.tls; s != nil {
			state := s.ConnectionState()
			resp.TLS = &state
		}
		o.conn.takeBody(resp, rest)
	}()
	<-received
	return resp, err
}

func (t *Transport) maxHeader() int64 {
	if t.MaxResponseHeaderBytes > 0 {
		return t.MaxResponseHeaderBytes
	}
	return defaultMaxHeader
}

// connect makes the connection for a request, and returns how to write the request to it.
func (t *Transport) connect(req *http.Request) (c *conn, out outgoing, err error) {
	out.Request = req
	var proxy *url.URL
	if t.Proxy != nil {
		if proxy, err = t.Proxy(req); err != nil {
			return nil, out, err
		}
	}
	target, err := address(req.URL)
	if err != nil {
		return nil, out, err
	}
	ctx := req.Context()
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(target)
	}
	if proxy == nil {
		c, err = t.dial(ctx, target)
	} else {
		c, err = t.dialProxy(ctx, proxy)
	}
	if err != nil {
		return nil, out, err
	}
	switch {
	case proxy != nil && req.URL.Scheme == "http":
		out.toProxy(proxy)
	case proxy != nil:
		err = t.tunnel(c, proxy, target)
	}
	if err == nil && req.URL.Scheme == "https" {
		err = t.handshake(c, target)
	}
	if err != nil {
		err = c.cause(err)
		c.close(err)
		return nil, out, err
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c.Conn})
	}
	return c, out, nil
}

// dial makes a connection, which the end of ctx closes.
func (t *Transport) dial(ctx context.Context, addr string) (*conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	dial := t.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: defaultDialTimeout}).DialContext
	}
	raw, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, errors.New("lean: DialContext returned neither a connection nor an error")
	}
	return newConn(ctx, raw), nil
}

// address returns the address to dial for a URL.
func address(u *url.URL) (string, error) {
	host, err := toASCII(u.Hostname())
	if err != nil {
		return "", err
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(host, port), nil
}

// A tlsConfig is the configuration for one host, made of the Transport's. Connections to the
// same host share it.
type tlsConfig struct {
	host   string
	config *tls.Config
}

func (t *Transport) tlsConfig(host string) *tls.Config {
	if last := t.lastTLS.Load(); last != nil && last.host == host {
		return last.config
	}
	config := new(tls.Config)
	if t.TLSClientConfig != nil {
		config = t.TLSClientConfig.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"}
	t.lastTLS.Store(&tlsConfig{host, config})
	return config
}

// handshake puts TLS on the connection.
func (t *Transport) handshake(c *conn, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	limit := t.TLSHandshakeTimeout
	if limit <= 0 {
		limit = defaultHandshakeTimeout
	}
	s := tls.Client(c.Conn, t.tlsConfig(host))
	trace := httptrace.ContextClientTrace(c.ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	err = c.within(limit, "the TLS handshake", func() error {
		// The end of the context closes the connection already, and needs no goroutine here.
		return s.HandshakeContext(context.WithoutCancel(c.ctx))
	})
	if trace != nil && trace.TLSHandshakeDone != nil {
		state := tls.ConnectionState{}
		if err == nil {
			state = s.ConnectionState()
		}
		trace.TLSHandshakeDone(state, err)
	}
	if err != nil {
		return err
	}
	c.Conn, c.tls = s, s
	return nil
}
