package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lastevent/sse"
)

// A registry has the configuration in force, and the one before it, since a stream that was
// removed may still have an event in hand.
type registry struct{ current, previous atomic.Pointer[config] }

func (r *registry) set(cfg *config) {
	r.previous.Store(r.current.Load())
	r.current.Store(cfg)
}

// get returns what is known of a stream.
func (r *registry) get(name string) *stream {
	for _, cfg := range []*config{r.current.Load(), r.previous.Load()} {
		if cfg != nil && cfg.streams[name] != nil {
			return cfg.streams[name]
		}
	}
	return &stream{name: name}
}

// request makes the request of a stream, as fleet.Config.Request. The secrets are not in
// it: what prints a request, or an error with a URL, cannot print them.
func (r *registry) request(ctx context.Context, name string) (*http.Request, error) {
	s := r.current.Load().streams[name]
	if s == nil {
		return nil, errors.New("the stream is not in the configuration of this member")
	}
	return http.NewRequestWithContext(carry(ctx, s.url, &s.secrets), http.MethodGet, s.url.String(), nil)
}

// carried are the secrets of a request, the URL that they are for, and what was sent of them.
type carried struct {
	url *url.URL
	*secrets

	mu   sync.Mutex
	sent []string
}

type carriedKey struct{}

// carry returns a context whose requests carry secrets.
func carry(ctx context.Context, u *url.URL, s *secrets) context.Context {
	return context.WithValue(ctx, carriedKey{}, &carried{url: u, secrets: s})
}

// A secretTransport adds to requests what they carry. After a redirect to another host, or
// from https to http, a request carries nothing.
type secretTransport struct{ http.RoundTripper }

func (t secretTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	c, _ := req.Context().Value(carriedKey{}).(*carried)
	if c == nil || req.URL.Scheme != c.url.Scheme || req.URL.Host != c.url.Host {
		return t.RoundTripper.RoundTrip(req)
	}
	sent := req.Clone(req.Context())
	if err := c.addTo(sent); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	resp, err := t.RoundTripper.RoundTrip(sent)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// CloseIdleConnections is what http.Client.CloseIdleConnections looks for.
func (t secretTransport) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (c *carried) addTo(req *http.Request) error {
	add := func(what string, s *secret, set func(value string)) error {
		value, err := s.value()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if !s.plain() {
			c.mu.Lock()
			c.sent = append(c.sent, strings.TrimPrefix(value, s.prefix))
			c.mu.Unlock()
		}
		set(value)
		return nil
	}
	c.mu.Lock()
	c.sent = nil // by the attempts before
	c.mu.Unlock()
	if c.Token != nil {
		if err := add("token", c.Token, func(value string) { req.Header.Set("Authorization", value) }); err != nil {
			return err
		}
	}
	for name, header := range c.Headers {
		if err := add("header "+name, &header, func(value string) { req.Header.Set(name, value) }); err != nil {
			return err
		}
	}
	if len(c.Query) == 0 {
		return nil
	}
	query := req.URL.Query()
	for name, part := range c.Query {
		if err := add("query "+name, &part, func(value string) { query.Set(name, value) }); err != nil {
			return err
		}
	}
	req.URL.RawQuery = query.Encode()
	return nil
}

// scrub removes from a server's words the secrets that it was sent with a request: "invalid
// key k1234", say.
func scrub(ctx context.Context, text string) string {
	c, _ := ctx.Value(carriedKey{}).(*carried)
	if c == nil {
		return text
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range c.sent {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	return text
}

// checkResponse is sse.CheckResponse, whose error will be logged and stored.
func checkResponse(resp *http.Response) error {
	err := sse.CheckResponse(resp)
	if re := (*sse.ResponseError)(nil); errors.As(err, &re) {
		re.Body = []byte(scrub(resp.Request.Context(), string(re.Body)))
	}
	return err
}

// newTransport is net/http's default for many streams to a host.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 100
	return t
}
