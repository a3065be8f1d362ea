package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/lastevent/sse"
)

// httpClient returns the client that the options ask for.
func (cmd *command) httpClient(o *options) (*http.Client, error) {
	tr := cmd.transport.Clone()
	if tr.TLSClientConfig == nil {
		tr.TLSClientConfig = new(tls.Config)
	}
	tr.TLSClientConfig.InsecureSkipVerify = o.insecure
	if o.cacert != "" {
		pem, err := os.ReadFile(o.cacert)
		if err != nil {
			return nil, err
		}
		tr.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !tr.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("sse: no certificate in %s", o.cacert)
		}
	}
	if o.http2 {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetHTTP2(true)
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	return &http.Client{Transport: tr}, nil
}

// newRequest returns the request for a source, which resumes after an ID.
func (o *options) newRequest(ctx context.Context, src source, id string) (*http.Request, error) {
	var body io.Reader
	if o.body != nil {
		body = bytes.NewReader(o.body)
	}
	req, err := http.NewRequestWithContext(ctx, o.method, src.url, body)
	if err != nil {
		return nil, err
	}
	req.Header = o.header.Clone()
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host // net/http takes it from here alone
	}
	if id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	return req, nil
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

// bodies is a transport that hands on what it reads of responses.
type bodies struct {
	http.RoundTripper
	read func(b []byte) error
}

func (t bodies) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = &body{resp.Body, t.read}
	}
	return resp, err
}

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
