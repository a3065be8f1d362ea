package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check/capture"
)

const soon = 14 * 24 * time.Hour // a certificate that expires within that should have been renewed

// checkCertificate looks at the certificate, and at what protocols are offered. It reports
// whether requests may be made: credentials do not go to a server that is not who it says.
func (c *checker) checkCertificate(ctx context.Context) (ok bool, err error) {
	r := c.report
	c.http2 = false
	if c.target.Scheme != "https" {
		r.unverified("the URL is http", "certificate")
		return true, nil
	}
	c.tls = &tls.Config{InsecureSkipVerify: c.insecure, RootCAs: c.roots}
	port := c.target.Port()
	if port == "" {
		port = "443"
	}
	dialer := &tls.Dialer{Config: &tls.Config{
		ServerName: c.target.Hostname(), NextProtos: []string{"h2", "http/1.1"},
		InsecureSkipVerify: true, // it is verified below, to say what is wrong with it
	}}
	dialing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := dialer.DialContext(dialing, "tcp", net.JoinHostPort(c.target.Hostname(), port))
	if err != nil {
		return false, err
	}
	state := conn.(*tls.Conn).ConnectionState()
	conn.Close()
	c.http2 = state.NegotiatedProtocol == "h2"
	if c.insecure {
		r.unverified("-k: any certificate is accepted", "certificate")
		return true, nil
	}
	pool := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		pool.AddCert(cert)
	}
	leaf := state.PeerCertificates[0]
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: c.target.Hostname(), Roots: c.roots, Intermediates: pool})
	left := time.Until(leaf.NotAfter)
	switch {
	case err != nil:
		r.find("certificate", Problem, safe(err.Error())+". No request was made: -k makes them with any certificate, and -cacert with one of yours.")
		return false, nil
	case left < soon:
		r.find("certificate", Risk, fmt.Sprintf("It expires in %.0f hours.", left.Hours()))
	default:
		r.pass("certificate")
	}
	return true, nil
}

// checkHTTP1 opens seven streams where there is no HTTP/2: one more than a browser does.
func (c *checker) checkHTTP1(ctx context.Context, base *stream) {
	const streams = 7
	r, id := c.report, "http1-limit"
	switch {
	case !base.open():
		r.unverified(noStream, id)
		return
	case c.http2:
		r.pass(id)
		return
	case c.kicked:
		return
	case c.as == "llm" || c.as == "mcp" || c.method != http.MethodGet:
		r.unverified("it matters to pages with several streams", id)
		return
	}
	c.progress("opening %d streams …", streams)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	level := Note
	if c.as == "browser" {
		level = Risk
	}
	var xs []*capture.Exchange
	for n := range streams {
		xs = append(xs, c.start(ctx, c.request(fmt.Sprintf("stream %d", n+1))))
	}
	opened := 0
	var others []string
	for _, x := range xs {
		wait(ctx, 3*time.Second, x, func(v capture.View) bool { return v.Response != nil || v.Ended })
		switch v := x.View(); {
		case v.Response != nil && v.Response.StatusCode == http.StatusOK:
			opened++
		case v.Response != nil:
			others = append(others, v.Response.Status)
		case v.Ended:
			others = append(others, errorText(v.Err))
		}
	}
	for _, x := range xs {
		x.Stop()
	}
	text := fmt.Sprintf("%d of %d streams opened here at once over HTTP/1.1. A browser opens six; the seventh waits.", opened, streams)
	if len(others) > 0 {
		level = Problem
		text = fmt.Sprintf("%d of %d streams opened at once; another was answered with: %s.", opened, streams, safe(others[0]))
	}
	f := r.find(id, level, text)
	if len(others) > 0 {
		f.Cause = "The server, or a proxy, limits the connections of a client."
	}
}
