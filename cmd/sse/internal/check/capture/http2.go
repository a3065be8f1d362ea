package capture

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"
)

// http2 makes the request over HTTP/2, on a connection of its own. The frames of HTTP/2 are
// net/http's to read: it hands the bytes of each DATA frame on when it has arrived, and a
// time here is that moment.
func (x *Exchange) http2(ctx context.Context, req Request) error {
	tr := &http.Transport{
		TLSClientConfig:        req.TLS.Clone(),
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		TLSHandshakeTimeout:    dialTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}
	tr.Protocols.SetHTTP2(true)
	defer tr.CloseIdleConnections()
	hr, err := newRequest(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeDone: func(tls.ConnectionState, error) {
			x.set(func(v *View) { v.Connected = time.Since(x.epoch) })
		},
		WroteRequest: func(httptrace.WroteRequestInfo) {
			x.set(func(v *View) {
				v.Sent = time.Since(x.epoch)
				if v.Response != nil {
					v.Sent = min(v.Sent, v.Header) // the answer was faster than this note
				}
			})
		},
	}), req)
	if err != nil {
		return err
	}
	resp, err := tr.RoundTrip(hr)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	x.opened(resp, time.Now())
	for buf := make([]byte, 16<<10); ; {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			x.arrived(buf[:n], time.Now())
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
