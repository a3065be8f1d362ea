// Package load opens many event streams on a server, holds them, and measures what the server does:
// how fast it opens them, how promptly and how completely each event reaches every stream, and what
// happens when connections break or the server restarts.
package load

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/lastevent/sse"
)

// A Config describes a run. URLs and Streams are required.
type Config struct {
	URLs    []string // of event streams; stream i opens URLs[i%len(URLs)]
	Streams int      // how many to open

	// Ramp is the time over which streams are opened: stream i is due i/Streams of it after the
	// start, whether or not those before it have opened. 0 opens all at once.
	Ramp     time.Duration
	Duration time.Duration // how long the streams are held after the ramp; 0 until the context ends

	// Request makes the request of stream i; nil makes a GET.
	Request func(i int, url string) (*http.Request, error)

	// Transport sends the requests; nil is a lean.Transport that dials from Sources in turn.
	Transport http.RoundTripper
	Sources   []netip.Addr // local addresses; each has a range of ports of its own
	TLS       *tls.Config  // of the nil Transport; nil: the system's certificates

	Client sse.Client    // how each stream reconnects; HTTPClient and Trace are set by Run
	OpenIn time.Duration // a stream that has no header by then counts as not opened; 0: 30 s

	// Sequence returns the number of an event among those that its URL publishes, and false if
	// it has none. nil takes LastEventID where it is a decimal number.
	Sequence func(ev sse.Event) (n int64, ok bool)
	// Time returns when the server sent an event, by the clock of this machine; nil measures no
	// latency unless Publish is set.
	Time func(ev sse.Event) (t time.Time, ok bool)
	// Says reports whether an event says something, which a priming event or a keep-alive does
	// not; nil: events whose data is not blank.
	Says func(ev sse.Event) bool

	Publish *Publish // publishes events itself, and measures their way through the server
	Kill    []Kill   // connections to cut
	// ExpectRestart says that the server will restart: what breaks then is a storm to measure, and
	// no failure.
	ExpectRestart bool
	Slow          Slow // streams that read slowly

	// Progress is called once a second, and at the end, from one goroutine.
	Progress func(Snapshot)
}

// Publish has Run send events to the server: the body of each POST names its number, and the event
// that comes of it is found by that.
type Publish struct {
	URL      string
	Interval time.Duration
	// Request makes the request that publishes event n with the text token, which must come back
	// in the event's data; nil POSTs token as text/plain.
	Request func(n int64, token string) (*http.Request, error)
}

// Kill cuts the connections of a part of the streams at a time after the start.
type Kill struct {
	Fraction float64 // in 0 … 1
	At       time.Duration
}

// Slow makes a part of the streams read slowly.
type Slow struct {
	Fraction       float64 // in 0 … 1
	BytesPerSecond int
}

// errNotBuilt is gone when Run is.
var errNotBuilt = errors.New("load: not built yet")
