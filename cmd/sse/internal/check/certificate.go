package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"
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
