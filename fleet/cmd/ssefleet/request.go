package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
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
	ctx = context.WithValue(ctx, carriedKey{}, &carried{s.url, &s.secrets})
	return http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
}

// carried are the secrets of a request, and the URL that they are for.
type carried struct {
	url *url.URL
	*secrets
}

type carriedKey struct{}

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

func (s *secrets) addTo(req *http.Request) error {
	if s.Token != nil {
		value, err := s.Token.value()
		if err != nil {
			return fmt.Errorf("token: %w", err)
		}
		req.Header.Set("Authorization", value)
	}
	for name, header := range s.Headers {
		value, err := header.value()
		if err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
		req.Header.Set(name, value)
	}
	if len(s.Query) == 0 {
		return nil
	}
	query := req.URL.Query()
	for name, part := range s.Query {
		value, err := part.value()
		if err != nil {
			return fmt.Errorf("query %s: %w", name, err)
		}
		query.Set(name, value)
	}
	req.URL.RawQuery = query.Encode()
	return nil
}

// newTransport is net/http's default for many streams to a host.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 100
	return t
}
