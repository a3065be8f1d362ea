package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/lastevent/sse"
)

// newTransport returns what sends the requests that the options ask for.
func (cmd *command) newTransport(o *options) (*http.Transport, error) {
	tr := cmd.transport.Clone()
	if tr.TLSClientConfig == nil {
		tr.TLSClientConfig = new(tls.Config)
	}
	tr.TLSClientConfig.InsecureSkipVerify = o.insecure
	if o.cacert != "" {
		pem, err := os.ReadFile(o.cacert)
		if err != nil {
			return nil, fmt.Errorf("-cacert: %w", err)
		}
		tr.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !tr.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-cacert: no certificate in %s", o.cacert)
		}
	}
	if o.cert != "" {
		key := o.key
		if key == "" {
			key = o.cert // both are in one file
		}
		pair, err := tls.LoadX509KeyPair(o.cert, key)
		if err != nil {
			return nil, fmt.Errorf("-cert: %w", err)
		}
		tr.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	if o.http2 {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetHTTP2(true)
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	if o.unix != "" {
		tr.Proxy = nil
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", o.unix)
		}
	}
	return tr, nil
}

// newRequest returns the request for a source, which resumes after an ID.
func (o *options) newRequest(src source, id string) (*http.Request, error) {
	var body io.Reader
	if o.body != nil {
		body = bytes.NewReader(o.body)
	}
	req, err := http.NewRequestWithContext(context.Background(), o.method, src.url.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header = o.header.Clone()
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host // net/http takes it only from here
	}
	if id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	return req, nil
}

// stateKey returns what -state calls the stream of a source. It shows the URL without
// userinfo and query, and has a hash of all that makes the stream what it is: method, URL,
// user and body, and the socket that is connected to.
func (o *options) stateKey(src source) string {
	shown := url.URL{Scheme: src.url.Scheme, Host: src.url.Host, Path: src.url.Path, RawPath: src.url.RawPath}
	h := sha256.New()
	for _, part := range []string{o.method, src.url.String(), o.user, string(o.body), o.unix} {
		fmt.Fprintf(h, "%d %s", len(part), part)
	}
	return fmt.Sprintf("%s %s %x", o.method, &shown, h.Sum(nil)[:16])
}

// policy returns what -once and -retry-forever stand for.
func (o *options) policy() func(error) bool {
	switch {
	case o.once:
		return func(error) bool { return false }
	case o.forever:
		return sse.Transient
	}
	return nil
}

// body hands on what is read of a response.
type body struct {
	io.ReadCloser
	read func(b []byte) error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		if err := b.read(p[:n]); err != nil {
			return 0, err
		}
	}
	return n, err
}
