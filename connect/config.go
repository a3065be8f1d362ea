package connect

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lastevent/sse"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// A config is what the fields of the input say.
type config struct {
	urls          []string
	method        string
	headers       map[string]*service.InterpolatedString
	body          string
	lastEventID   string
	types         []string // none: all
	cache         string   // none: positions are not stored
	key           string
	limit         int
	idleTimeout   time.Duration
	headerTimeout time.Duration
	maxEventSize  int
	onEnd         string
	onError       string
	reconnectTime time.Duration
}

// parse reads all fields but those of the transport.
func parse(p *service.ParsedConfig) (c config, err error) {
	errs := make([]error, 0, 16)
	str := func(path ...string) (v string) { return field(&errs, p.FieldString, path) }
	duration := func(path ...string) time.Duration { return field(&errs, p.FieldDuration, path) }
	one, several := str(fieldURL), field(&errs, p.FieldStringList, []string{fieldURLs})
	c.urls = several
	if one != "" {
		c.urls = []string{one}
	}
	c.method = str(fieldMethod)
	c.headers = field(&errs, p.FieldInterpolatedStringMap, []string{fieldHeaders})
	c.body = str(fieldBody)
	c.lastEventID = str(fieldLastEventID)
	c.types = field(&errs, p.FieldStringList, []string{fieldTypes})
	c.cache = str(fieldPosition, fieldCache)
	c.key = str(fieldPosition, fieldKey)
	c.limit = field(&errs, p.FieldInt, []string{fieldLimit})
	c.idleTimeout = duration(fieldIdleTimeout)
	c.headerTimeout = duration(fieldHeaderTimeout)
	c.maxEventSize = field(&errs, p.FieldInt, []string{fieldMaxEventSize})
	c.onEnd = str(fieldReconnect, fieldOnEnd)
	c.onError = str(fieldReconnect, fieldOnError)
	c.reconnectTime = duration(fieldReconnect, fieldTime)
	if err := errors.Join(errs...); err != nil {
		return config{}, err
	}
	if one != "" && len(several) > 0 {
		return config{}, errors.New("set either url or urls, not both")
	}
	if len(several) > 0 && c.key != "" {
		return config{}, errors.New("position.key is for url only: the streams of urls have a key each")
	}
	return c, c.check()
}

// field returns the value of a field, and appends the error to errs.
func field[T any](errs *[]error, get func(...string) (T, error), path []string) T {
	v, err := get(path...)
	if err != nil {
		*errs = append(*errs, err)
	}
	return v
}

// check repeats what linting finds, since linting can be turned off, and adds what it cannot.
func (c *config) check() error {
	switch {
	case len(c.urls) == 0:
		return errors.New("set url or urls")
	case c.limit < 1:
		return errors.New("checkpoint_limit must be at least 1")
	case c.maxEventSize < 1:
		return errors.New("max_event_size must be at least 1")
	case c.idleTimeout < 0 || c.headerTimeout < 0 || c.reconnectTime < 0:
		return errors.New("idle_timeout, header_timeout and reconnect.time must not be negative")
	case !sse.Resumable(c.lastEventID):
		return fmt.Errorf("no Last-Event-ID header can carry last_event_id %q", c.lastEventID)
	}
	for name := range c.headers {
		if http.CanonicalHeaderKey(name) == "Last-Event-Id" {
			return errors.New("set last_event_id instead of the header Last-Event-ID")
		}
	}
	for i, raw := range c.urls {
		u, err := url.Parse(raw)
		if err != nil {
			return errors.New("a URL is invalid") // the error would quote it, with its password
		}
		if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("%s is no URL of http or https", u.Redacted())
		}
		if slices.Contains(c.urls[:i], raw) {
			return fmt.Errorf("%s is in urls twice", u.Redacted())
		}
		if _, err := http.NewRequest(c.method, raw, nil); err != nil { //nolint:noctx // it is never sent
			return fmt.Errorf("method: %w", err)
		}
	}
	return nil
}

// positionKey returns the key of the stream at url.
func (c *config) positionKey(url string) string {
	if c.key != "" {
		return c.key
	}
	return fmt.Sprintf("sse-%.8x", sha256.Sum256([]byte(url)))
}

// delivers reports whether events of a type become messages.
func (c *config) delivers(typ string) bool {
	return len(c.types) == 0 || slices.Contains(c.types, typ)
}

// repeatable reports whether the request may be sent again, by net/http's rules.
func (c *config) repeatable() bool {
	switch c.method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	for name := range c.headers {
		if name = http.CanonicalHeaderKey(name); name == "Idempotency-Key" || name == "X-Idempotency-Key" {
			return true
		}
	}
	return false
}

// labels returns how logs and metrics name the streams: by their URLs without what may be
// secret in them, and with a number where that is not enough.
func labels(urls []string) []string {
	var all []string
	for i, raw := range urls {
		label := public(raw)
		label, _, _ = strings.Cut(label, "?")
		if slices.Contains(all, label) {
			label = fmt.Sprintf("%s#%d", label, i+1)
		}
		all = append(all, label)
	}
	return all
}

// public returns a URL without user name, password and fragment.
func public(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "" // check has refused it
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	return u.String()
}
