package sse

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// ErrIdleTimeout drops a connection on which the server was silent for too long: see
// Client.IdleTimeout and, for the wait for the header, Client.HTTPClient.
var ErrIdleTimeout = errors.New("sse: the server was silent for too long")

// Transient is the policy for programs that wait for their server. It reports whether a
// new connection may fix err, which it may unless err says that
//
//   - the server refused with another status than 408, 425, 429 and every 5xx but 501 and
//     505, or answered 200 without an event stream ([*ResponseError]),
//   - the server's certificate is invalid ([*tls.CertificateVerificationError], which a
//     VerifyConnection of your own should return, too),
//   - the URL can never work: its scheme is not http or https, it has no host, its port is
//     no port, or a server of plain HTTP answers at an https URL ([http.ErrSchemeMismatch]),
//   - the request can never be sent: its method, or a header's name or value, is invalid,
//   - the next connection would meet the same event again ([ErrEventTooLarge]).
func Transient(err error) bool {
	if re := (*ResponseError)(nil); errors.As(err, &re) {
		switch re.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
			return true
		case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
			return false
		}
		return re.StatusCode >= 500 && re.StatusCode <= 599
	}
	if ce := (*tls.CertificateVerificationError)(nil); errors.As(err, &ce) {
		return false
	}
	if ue := (*url.Error)(nil); errors.As(err, &ue) && !(reachable(ue) && sendable(ue.Err)) {
		return false
	}
	return err != nil && !errors.Is(err, ErrEventTooLarge) && !errors.Is(err, http.ErrSchemeMismatch)
}

// reachable reports whether the URL of ue can ever work. A scheme that is foreign to
// net/http may have been registered with the transport: then the network was tried.
func reachable(ue *url.Error) bool {
	if ae := (*net.AddrError)(nil); errors.As(ue.Err, &ae) {
		return false // a port that is no port: the network was not tried
	}
	if ne := net.Error(nil); errors.As(ue.Err, &ne) {
		return true
	}
	u, err := url.Parse(ue.URL)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// sendable reports whether err is not one of those with which net/http and package lean
// reject a request before it is sent. They have no types, only texts; TestNeverSent shows
// that these are theirs.
func sendable(err error) bool {
	text := err.Error()
	for _, begin := range [...]string{
		"net/http: invalid header ", "net/http: invalid trailer ", "net/http: invalid method ",
		"http: nil Request.", "http: Request.", "http: ContentLength=",
		"lean: invalid ",
		"http2: invalid ", "http2: request header list larger than ", "http2: request body larger than ",
	} {
		if strings.HasPrefix(text, begin) {
			return false
		}
	}
	return true
}

// Standard is the HTML standard's policy: it reports whether err is a network error,
// which [Transient] may cure. A response that is no event stream ends the stream,
// whatever its status.
func Standard(err error) bool {
	re := (*ResponseError)(nil)
	return !errors.As(err, &re) && Transient(err)
}
