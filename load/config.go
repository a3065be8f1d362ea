package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
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

	// Client says how each stream reconnects, as a program that uses package sse would, by default;
	// Browser() does it as a browser would. HTTPClient and Trace are set by Run.
	Client sse.Client
	OpenIn time.Duration // a stream that has no header by then counts as not opened; 0: 30 s

	// Topic returns what stream i follows. The streams of one topic are sent the same events: their
	// numbers are compared, and skew is measured among them. nil: those of one URL.
	Topic func(i int, url string) string
	// Sequence returns the number of an event among those of its topic, which count up by one, and
	// false if it has none. nil takes the number that Publish gave it, or LastEventID where that
	// is a decimal number.
	Sequence func(ev sse.Event) (n int64, ok bool)
	// Time returns when the server sent an event, by the clock of this machine; nil measures no
	// latency unless Publish is set.
	Time func(ev sse.Event) (t time.Time, ok bool)
	// Says reports whether an event says something, which a priming event or a keep-alive does
	// not; nil: events whose data is not blank.
	Says func(ev sse.Event) bool
	// Stall is how far a stream may stay behind: one that is open, and has not read what another
	// one of its topic read so long ago, has stalled. 0: 10 s.
	Stall time.Duration

	Publish *Publish // publishes events itself, and measures their way through the server
	Kill    []Kill   // connections to cut
	// ExpectRestart says that the server will restart: streams that are not open yet try again, too,
	// and a few connections that end together already count as a storm.
	ExpectRestart bool
	Slow          Slow // streams that read slowly

	// Progress is called once a second, and at the end, from one goroutine.
	Progress func(Snapshot)
}

// Publish has Run send events to the server. The body of each POST is a token, which must come
// back in the event's data: by it the event is known, with its number and the time at which it was due.
type Publish struct {
	URL      string
	Interval time.Duration // 0: 1 s
	// Request makes the request that publishes event n, counted from 1, with its token; nil POSTs the
	// token as text/plain.
	Request func(n int64, token string) (*http.Request, error)
	Client  *http.Client // sends the requests; nil: one of Run's, with Config.TLS
}

// Kill cuts the connections of a part of the open streams at a time after the start.
type Kill struct {
	Fraction float64 // in 0 … 1
	At       time.Duration
}

// Slow makes a part of the streams read slowly. Their events count, and so do the events that they
// miss; but they are left out of latency, skew and stalls, where they would only show themselves.
type Slow struct {
	Fraction       float64 // in 0 … 1
	BytesPerSecond int
}

const (
	defaultOpenIn   = 30 * time.Second
	defaultStall    = 10 * time.Second
	defaultInterval = time.Second
)

// withDefaults returns a copy of cfg that has its defaults, or what is wrong with cfg.
func (cfg Config) withDefaults() (Config, error) {
	if len(cfg.URLs) == 0 {
		return cfg, errors.New("load: Config.URLs is empty")
	}
	for _, u := range cfg.URLs {
		if err := checkURL(u); err != nil {
			return cfg, fmt.Errorf("load: Config.URLs: %w", err)
		}
	}
	switch {
	case cfg.Streams <= 0:
		return cfg, errors.New("load: Config.Streams must be at least 1")
	case cfg.Ramp < 0 || cfg.Duration < 0 || cfg.OpenIn < 0 || cfg.Stall < 0:
		return cfg, errors.New("load: a duration of Config is negative")
	case cfg.Slow.Fraction < 0 || cfg.Slow.Fraction > 1:
		return cfg, errors.New("load: Config.Slow.Fraction is not within 0 … 1")
	case cfg.Slow.Fraction > 0 && cfg.Slow.BytesPerSecond <= 0:
		return cfg, errors.New("load: Config.Slow.BytesPerSecond must be at least 1")
	}
	for _, k := range cfg.Kill {
		if !(k.Fraction > 0 && k.Fraction <= 1) || k.At < 0 {
			return cfg, errors.New("load: a Kill needs a Fraction within 0 … 1, and a time that is not negative")
		}
	}
	cfg.OpenIn = orDefault(cfg.OpenIn, defaultOpenIn)
	cfg.Stall = orDefault(cfg.Stall, defaultStall)
	if p := cfg.Publish; p != nil {
		if err := checkURL(p.URL); err != nil {
			return cfg, fmt.Errorf("load: Publish.URL: %w", err)
		}
		if p.Interval < 0 {
			return cfg, errors.New("load: Publish.Interval is negative")
		}
		withInterval := *p
		withInterval.Interval = orDefault(p.Interval, defaultInterval)
		cfg.Publish = &withInterval
	}
	if cfg.Topic == nil {
		cfg.Topic = func(_ int, url string) string { return url }
	}
	return cfg, nil
}

func orDefault(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return d
}

// checkURL returns an error that has no password of the URL.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a URL", cleanURL(s))
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q is not an http or https URL", cleanURL(s))
	}
	return nil
}
