package sse

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	maxRetryAfter = time.Hour

	minSecondWait = 100 * time.Millisecond // however short the reconnection time is
	maxGrowth     = 30 * time.Second       // waits grow no longer than this, unless the server asks for more
	maxDoublings  = 12                     // after this many, every series of waits has stopped growing
)

// A Backoff decides how long to wait before each in a series of connections that make no
// progress.
// The policies of github.com/cenkalti/backoff satisfy it.
type Backoff interface {
	// NextBackOff returns the next wait. A negative one gives up.
	NextBackOff() time.Duration
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
	n           int           // waits so far
	d           time.Duration // of the last wait
	first       time.Duration // d of the first wait, which is R,
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
	b.n++
	if b.n == 1 {
		b.d = b.first
		return b.d + jitter(b.firstSpread)
	}
	b.d = grown
	return b.d + jitter(b.d)
}

// setInitial makes initial the reconnection time of a series of waits that may have begun.
func (b *exponential) setInitial(initial time.Duration) {
	if initial == b.first {
		return
	}
	n := min(b.n, maxDoublings)
	*b = *newExponential(initial)
	for range n {
		b.NextBackOff()
	}
}
