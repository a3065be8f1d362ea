package sse

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	defaultReconnectionTime = time.Second
	minReconnectionTime     = 10 * time.Millisecond
	maxReconnectionTime     = time.Hour
	maxRetryAfter           = time.Hour

	minSecondWait = 100 * time.Millisecond // however short the reconnection time is
	maxGrowth     = 30 * time.Second       // where waits stop to grow, unless the server wants longer ones
)

// ErrIdleTimeout drops a connection on which the server was silent for too long: see
// Client.IdleTimeout and, for the wait for the header, Client.HTTPClient.
var ErrIdleTimeout = errors.New("sse: the server was silent for too long")

// Transient is the policy for programs that wait for their server. It reports whether a
// new connection may cure err, which it may unless err says that
//
//   - the server refused with another status than 408, 425, 429, 500, 502, 503 or 504, or
//     answered 200 with something else than an event stream ([*ResponseError]),
//   - the server's certificate is invalid ([*tls.CertificateVerificationError]),
//   - the URL can never work: its scheme is not http or https, or it has no host,
//   - the next connection would meet the same event again ([ErrEventTooLarge]).
func Transient(err error) bool {
	if re := (*ResponseError)(nil); errors.As(err, &re) {
		switch re.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	if ce := (*tls.CertificateVerificationError)(nil); errors.As(err, &ce) {
		return false
	}
	if ue := (*url.Error)(nil); errors.As(err, &ue) && !reachable(ue) {
		return false
	}
	return err != nil && !errors.Is(err, ErrEventTooLarge)
}

// reachable reports whether the URL of ue can ever work. A scheme that is foreign to
// net/http may have been registered with the transport: then the network was tried.
func reachable(ue *url.Error) bool {
	if ne := net.Error(nil); errors.As(ue.Err, &ne) {
		return true
	}
	u, err := url.Parse(ue.URL)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// Standard is the HTML standard's policy: it reports whether err is a network error,
// which [Transient] may cure. A response that is no event stream ends the stream,
// whatever its status.
func Standard(err error) bool {
	re := (*ResponseError)(nil)
	return !errors.As(err, &re) && Transient(err)
}

// A Backoff tells how long to wait before each of a row of connections without progress.
// The policies of github.com/cenkalti/backoff satisfy it.
type Backoff interface {
	// NextBackOff returns the next wait. A negative one gives up.
	NextBackOff() time.Duration
}

// delay returns how long to wait after err, and false to give up.
func (s *stream) delay(err error) (time.Duration, bool) {
	least := s.reconnectionTime()
	if s.backoff == nil {
		s.backoff = s.newBackoff(least)
	}
	wait := s.backoff.NextBackOff()
	if wait < 0 {
		return 0, false
	}
	spread := wait
	if b, ok := s.backoff.(*exponential); ok {
		spread = b.d
		if spread < least { // the server has asked for more since it was built
			spread, wait = least, least+jitter(least)
		}
	}
	if re := (*ResponseError)(nil); errors.As(err, &re) {
		if after, ok := retryAfter(re.Header); ok {
			// All clients were told the same: spread them behind it.
			return max(least, after) + jitter(min(spread, maxRetryAfter)), true
		}
	}
	return max(least, wait), true
}

// reconnectionTime is the server's, within limits, or the default.
func (s *stream) reconnectionTime() time.Duration {
	if d, ok := s.parser.Retry(); ok {
		return min(max(d, minReconnectionTime), maxReconnectionTime)
	}
	return defaultReconnectionTime
}

// retryAfter reads a Retry-After header, seconds or an HTTP date (RFC 9110, 10.2.3).
func retryAfter(h http.Header) (time.Duration, bool) {
	v := h.Get("Retry-After")
	d, ok := parseDuration(v, time.Second)
	if !ok {
		t, err := http.ParseTime(v)
		if err != nil {
			return 0, false
		}
		d = time.Until(t)
	}
	return min(max(d, 0), maxRetryAfter), true
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

// Trace is a set of hooks that see what a stream does, in the manner of
// [net/http/httptrace]. Any of them may be nil. They are called on the goroutine that
// ranges over the events, one at a time for each stream, and a stream waits for them.
type Trace struct {
	// Connect is called before each request, which Client.Prepare has seen.
	Connect func(*http.Request)

	// Open is called when a response opens the stream. Leave its Body alone.
	Open func(*http.Response)

	// Comment is called for each comment line, with the text behind its colon, cut to
	// 64 KiB. Servers send comments to keep a stream alive.
	Comment func(text string)

	// Disconnect is called exactly once for each Connect, even after break or panic in
	// the loop body, when the connection has been closed.
	Disconnect func(DisconnectInfo)
}

// DisconnectInfo tells why a connection ended and what comes next.
type DisconnectInfo struct {
	Request     *http.Request // as given to Trace.Connect
	Err         error         // nil: the consumer stopped, or 204; io.EOF: the server closed
	LastEventID string        // what the next connection resumes after
	Reconnect   bool          // whether there will be a next connection
	Delay       time.Duration // until then
}
