package capture

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// dialTimeout bounds a connection with its handshake.
const dialTimeout = 10 * time.Second

// dial connects to the request's server.
func dial(ctx context.Context, req Request) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	port := req.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[req.URL.Scheme]
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(req.URL.Hostname(), port))
	if err != nil || req.URL.Scheme != "https" {
		return conn, err
	}
	config := req.TLS.Clone()
	config.NextProtos = []string{"http/1.1"}
	if config.ServerName == "" {
		config.ServerName = req.URL.Hostname()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// http1 makes the request over HTTP/1.1 and reads the connection itself.
func (x *Exchange) http1(ctx context.Context, req Request) error {
	conn, err := dial(ctx, req)
	if err != nil {
		return err
	}
	defer conn.Close()
	x.set(func(v *View) { v.Connected = time.Since(x.epoch) })
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	hr, err := newRequest(ctx, req)
	if err != nil {
		return err
	}
	if err := hr.Write(conn); err != nil {
		return err
	}
	x.set(func(v *View) { v.Sent = time.Since(x.epoch) })

	in := &timedReader{conn: conn, left: maxHeader}
	r := bufio.NewReader(in)
	resp, err := readHeader(r, hr)
	if err != nil {
		return err
	}
	x.opened(resp, in.at)
	in.left = -1
	for one := make([]byte, 1); ; {
		n, err := resp.Body.Read(one)
		if n > 0 {
			x.arrived(one, in.at)
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// readHeader reads up to the header of the final response.
func readHeader(r *bufio.Reader, hr *http.Request) (*http.Response, error) {
	for range 10 {
		resp, err := http.ReadResponse(r, hr)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
	return nil, errors.New("more than ten interim responses")
}

func newRequest(ctx context.Context, req Request) (*http.Request, error) {
	var body io.Reader
	if req.Body != nil {
		body = bytes.NewReader(req.Body)
	}
	hr, err := http.NewRequestWithContext(ctx, req.Method, req.URL.String(), body)
	if err != nil {
		return nil, err
	}
	hr.Header = req.Header.Clone()
	if host := hr.Header.Get("Host"); host != "" {
		hr.Host = host
	}
	return hr, nil
}

// A timedReader hands out what it reads of a connection byte by byte, each with the time at
// which it arrived. What reads from it, such as a bufio.Reader, never has more than it
// needed to return a byte of the body.
type timedReader struct {
	conn   net.Conn
	buf    [16 << 10]byte
	rest   []byte
	at     time.Time // of the last byte that was handed out
	readAt time.Time
	left   int // bytes that may still be read; negative: any number
}

func (r *timedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.left == 0 {
		return 0, fmt.Errorf("the response's header is larger than %d bytes", maxHeader)
	}
	if len(r.rest) == 0 {
		n, err := r.conn.Read(r.buf[:])
		if n == 0 {
			return 0, err
		}
		r.rest, r.readAt = r.buf[:n], time.Now()
	}
	p[0], r.rest, r.at = r.rest[0], r.rest[1:], r.readAt
	if r.left > 0 {
		r.left--
	}
	return 1, nil
}
