package sse_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lastevent/sse"
)

// Pings detect a dead HTTP/2 connection for all the streams that share it, however rarely
// the server sends events. IdleTimeout is still useful: a proxy may answer the pings of a
// connection whose server is dead.
func ExampleClient_http2Pings() {
	feed := httptest.NewUnstartedServer(http.HandlerFunc(feed))
	feed.EnableHTTP2 = true
	feed.StartTLS()
	defer feed.Close()
	roots := x509.NewCertPool()
	roots.AddCert(feed.Certificate())

	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: true, // without it, a TLSClientConfig turns HTTP/2 off
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: 15 * time.Second, // after the last frame
			PingTimeout:     5 * time.Second,  // for the answer, before the connection is closed
		},
	}
	defer transport.CloseIdleConnections()
	client := sse.Client{HTTPClient: &http.Client{Transport: transport}, IdleTimeout: time.Minute}
	req, err := http.NewRequest(http.MethodGet, feed.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	stream := client.Stream(req)
	for ev, err := range stream.Events() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(stream.Response().Proto, ev.Data)
	}
	// Output:
	// HTTP/2.0 one
	// HTTP/2.0 two
	// HTTP/2.0 three
}

// pin returns a TLS configuration that verifies the server's certificate as usual, and then
// requires its public key to have the given SHA-256. The error has the type that crypto/tls
// uses for invalid certificates: [sse.Transient] reports false for it, and would report true
// for other errors of VerifyConnection.
func pin(roots *x509.CertPool, key [sha256.Size]byte) *tls.Config {
	return &tls.Config{
		RootCAs: roots,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if sha256.Sum256(cs.PeerCertificates[0].RawSubjectPublicKeyInfo) == key {
				return nil
			}
			return &tls.CertificateVerificationError{
				UnverifiedCertificates: cs.PeerCertificates,
				Err:                    errors.New("the public key is not the pinned one"),
			}
		},
	}
}

// A program that trusts only one public key pins it. If the server has another one, the
// stream ends, even under a policy that otherwise reconnects until the server is back.
func ExampleClient_pinnedCertificate() {
	feed := httptest.NewUnstartedServer(http.HandlerFunc(feed))
	feed.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it logs the failed handshake
	feed.StartTLS()
	defer feed.Close()
	roots := x509.NewCertPool()
	roots.AddCert(feed.Certificate())

	for _, key := range [][sha256.Size]byte{
		sha256.Sum256(feed.Certificate().RawSubjectPublicKeyInfo),
		sha256.Sum256([]byte("the key before the last renewal")),
	} {
		transport := &http.Transport{
			TLSClientConfig:   pin(roots, key),
			ForceAttemptHTTP2: true,
		}
		client := sse.Client{HTTPClient: &http.Client{Transport: transport}, Reconnect: sse.Transient}
		for ev, err := range client.Get(context.Background(), feed.URL) {
			if err != nil {
				fmt.Println(strings.ReplaceAll(err.Error(), feed.URL, "https://feed.example"))
				break
			}
			fmt.Println(ev.Data)
		}
		transport.CloseIdleConnections()
	}
	// Output:
	// one
	// two
	// three
	// Get "https://feed.example": tls: failed to verify certificate: the public key is not the pinned one
}
