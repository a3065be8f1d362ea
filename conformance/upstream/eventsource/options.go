package eventsource

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/lastevent/sse"
)

// The defaults of StreamOptionInitialRetry and StreamOptionRetryResetInterval.
const (
	DefaultInitialRetry       = 3 * time.Second
	DefaultRetryResetInterval = 60 * time.Second
)

// A StreamOption is a setting of a Stream.
type StreamOption interface{ apply(*settings) }

// settings are what the options set: most of them are settings of package sse.
type settings struct {
	client      sse.Client
	lastEventID string
	waits       waits
	retryFirst  time.Duration // for how long to retry the first connection; <0: without limit
	handler     StreamErrorHandler
	logger      Logger
}

type option func(*settings)

func (o option) apply(s *settings) { o(s) }

// StreamOptionHTTPClient sets Client.HTTPClient.
func StreamOptionHTTPClient(client *http.Client) StreamOption {
	return option(func(s *settings) { s.client.HTTPClient = client })
}

// StreamOptionLastEventID sets the Last-Event-ID header of the request.
func StreamOptionLastEventID(id string) StreamOption {
	return option(func(s *settings) { s.lastEventID = id })
}

// StreamOptionReadTimeout sets Client.IdleTimeout.
func StreamOptionReadTimeout(timeout time.Duration) StreamOption {
	return option(func(s *settings) { s.client.IdleTimeout = timeout })
}

// StreamOptionDynamicQueryParams sets Client.Prepare, which gets a fresh clone of the request
// for each attempt.
func StreamOptionDynamicQueryParams(f func(existing url.Values) url.Values) StreamOption {
	return option(func(s *settings) {
		s.client.Prepare = func(req *http.Request) error {
			req.URL.RawQuery = f(req.URL.Query()).Encode()
			return nil
		}
	})
}

// StreamOptionInitialRetry sets Client.ReconnectionTime, which is at least 10 ms.
func StreamOptionInitialRetry(retry time.Duration) StreamOption {
	return option(func(s *settings) { s.client.ReconnectionTime = max(retry, 10*time.Millisecond) })
}

// StreamOptionUseBackoff lets the waits grow to longest. Client.NewBackoff is where the waits
// come from.
func StreamOptionUseBackoff(longest time.Duration) StreamOption {
	return option(func(s *settings) { s.waits.longest = longest })
}

// StreamOptionUseJitter shortens each wait by a random part of up to ratio.
func StreamOptionUseJitter(ratio float64) StreamOption {
	return option(func(s *settings) { s.waits.jitter = min(max(ratio, 0), 1) })
}

// StreamOptionRetryResetInterval is how long a connection must have been good for the waits
// to be short again.
func StreamOptionRetryResetInterval(interval time.Duration) StreamOption {
	return option(func(s *settings) { s.waits.reset = interval })
}

// StreamOptionCanRetryFirstConnection lets the policy, Client.Reconnect, retry the first
// connection, too: for as long as timeout, or without limit if it is negative.
func StreamOptionCanRetryFirstConnection(timeout time.Duration) StreamOption {
	return option(func(s *settings) { s.retryFirst = timeout })
}

// StreamOptionErrorHandler sets who is asked by the policy, Client.Reconnect.
func StreamOptionErrorHandler(handler StreamErrorHandler) StreamOption {
	return option(func(s *settings) { s.handler = handler })
}

// StreamOptionLogger sets who gets a message at Trace.Disconnect.
func StreamOptionLogger(logger Logger) StreamOption {
	return option(func(s *settings) { s.logger = logger })
}

// waits is a sse.Backoff. It outlives the progress of package sse, which is an event: here it
// is a connection that has been good for reset.
type waits struct {
	first   time.Duration // the reconnection time
	longest time.Duration // 0: the waits do not grow
	jitter  float64
	reset   time.Duration

	next time.Duration // without jitter; 0: first
	good time.Time     // when the first event of the connection came; zero: none has come
}

func (w *waits) NextBackOff() time.Duration {
	if w.next == 0 || w.reset > 0 && !w.good.IsZero() && time.Since(w.good) >= w.reset {
		w.next = w.first
	}
	w.good = time.Time{}
	wait := w.next
	if w.longest > 0 {
		wait = min(wait, w.longest)
		w.next = 2 * wait
	}
	return wait - time.Duration(w.jitter*rand.Float64()*float64(wait))
}

// received notes that an event has come.
func (w *waits) received() {
	if w.good.IsZero() {
		w.good = time.Now()
	}
}
