package sse

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	defaultReconnectionTime = time.Second
	minReconnectionTime     = 10 * time.Millisecond
	maxReconnectionTime     = time.Hour
	maxRetryAfter           = time.Hour

	minSecondWait = 100 * time.Millisecond // however short the reconnection time is
	maxGrowth     = 30 * time.Second       // waits grow no longer than this, unless the server asks for more
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

// sendable reports whether err is not one of those with which net/http rejects a request
// before it is sent. They have no types, only texts; TestNeverSent shows that these are
// net/http's.
func sendable(err error) bool {
	text := err.Error()
	for _, begin := range [...]string{
		"net/http: invalid header ", "net/http: invalid trailer ", "net/http: invalid method ",
		"http: nil Request.", "http: Request.", "http: ContentLength=",
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

// A Backoff decides how long to wait before each in a series of connections that make no
// progress.
// The policies of github.com/cenkalti/backoff satisfy it.
type Backoff interface {
	// NextBackOff returns the next wait. A negative one gives up.
	NextBackOff() time.Duration
}

// delay returns how long to wait after err, and false to give up.
func (s *Stream) delay(err error) (time.Duration, bool) {
	if s.backoff == nil {
		s.backoff = s.newBackoff(s.reconnectionTime())
	}
	wait := s.backoff.NextBackOff()
	if wait < 0 {
		return 0, false
	}
	least, spread := time.Duration(0), wait
	b, ours := s.backoff.(*exponential)
	if ours {
		least, spread = s.reconnectionTime(), b.d
		if spread < least { // the server has asked for more since it was built
			spread, wait = least, least+jitter(least)
		}
	} else if _, ok := s.parser.Retry(); ok {
		least = s.reconnectionTime() // the server's; a caller's policy may go below the default
	}
	if re := (*ResponseError)(nil); errors.As(err, &re) {
		if after, ok := retryAfter(re.Header); ok {
			// All clients were told the same: spread them after it.
			after = max(least, after) + jitter(min(spread, maxRetryAfter))
			if ours {
				return after, true
			}
			return max(wait, after), true
		}
	}
	return max(least, wait), true
}

func (s *Stream) newBackoff(initial time.Duration) Backoff {
	if s.client.NewBackoff != nil {
		return s.client.NewBackoff(initial)
	}
	return newExponential(initial)
}

// reconnectionTime is the server's, or else the client's or the default, within limits.
func (s *Stream) reconnectionTime() time.Duration {
	d, ok := s.parser.Retry()
	if !ok {
		if d = s.client.ReconnectionTime; d == 0 {
			d = defaultReconnectionTime
		}
	}
	return min(max(d, minReconnectionTime), maxReconnectionTime)
}

// retryAfter returns the wait that a response asks for: Retry-After-Ms, in milliseconds, or
// Retry-After, in seconds or as a date. A date is taken against the response's own Date, so
// that a clock that is wrong here does not matter.
func retryAfter(h http.Header) (time.Duration, bool) {
	if d, ok := parseDecimal(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return min(d, maxRetryAfter), true
	}
	v := h.Get("Retry-After")
	if d, ok := parseDecimal(v, time.Second); ok {
		return min(d, maxRetryAfter), true
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(t.Sub(now), 0), maxRetryAfter), true
}

// parseDecimal reads a number of units, with a fraction or without.
func parseDecimal(s string, unit time.Duration) (time.Duration, bool) {
	whole, fraction, point := strings.Cut(s, ".")
	d, ok := parseDuration(whole, unit)
	if !ok || !point {
		return d, ok
	}
	if fraction == "" {
		return 0, false
	}
	for _, digit := range fraction {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		unit /= 10
		if d < maxRetryAfter { // a larger one is cut to it anyway, and must not overflow
			d += unit * time.Duration(digit-'0')
		}
	}
	return d, true
}

// jitter returns a random part of d, uniform in [0, d).
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// exponential is the default policy. With R the reconnection time, the n-th wait (n = 0,
// 1, …) is uniform in [d, 2d): d is R for the first, then max(2ⁿ·R, 2ⁿ⁻¹·100 ms), at
// most max(R, 30 s). There is jitter from the first wait on, or the restart of a
// server would bring all its clients back at once.
type exponential struct {
	d           time.Duration // of the last wait
	first       time.Duration // d of the first wait,
	firstSpread time.Duration // and its random part: as long, but for NewEventSource
	grow        *backoff.ExponentialBackOff
}

func newExponential(initial time.Duration) *exponential {
	return &exponential{first: initial, firstSpread: initial, grow: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(max(initial, minSecondWait/2)),
		backoff.WithMultiplier(2),
		backoff.WithMaxInterval(max(initial, maxGrowth)),
		backoff.WithRandomizationFactor(0), // its interval is centred; ours starts at d
		backoff.WithMaxElapsedTime(0),      // healthy time counts for nothing
	)}
}

func (b *exponential) NextBackOff() time.Duration {
	grown := b.grow.NextBackOff()
	if b.d == 0 {
		b.d = b.first
		return b.d + jitter(b.firstSpread)
	}
	b.d = grown
	return b.d + jitter(b.d)
}
