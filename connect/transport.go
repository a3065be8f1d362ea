package connect

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// newTransport returns what all streams of an input send their requests by.
func newTransport(p *service.ParsedConfig) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	conf, enabled, err := p.FieldTLSToggled(fieldTLS)
	if err != nil {
		return nil, err
	}
	if enabled {
		t.TLSClientConfig = conf
	}
	if p.Contains(fieldProxyURL) {
		u, err := p.FieldURL(fieldProxyURL)
		if err != nil {
			return nil, err
		}
		t.Proxy = http.ProxyURL(u)
	}
	return t, nil
}

// A signer is a RoundTripper that adds the headers of the configuration to requests for the
// origin of the stream, and to no others: a server may redirect to another host. An error
// of it, such as a token endpoint that is away, is an error of the attempt, which may be
// followed by another one.
type signer struct {
	base    http.RoundTripper
	origin  *url.URL
	headers map[string]*service.InterpolatedString
	sign    func(*http.Request) error
	tokens  *tokens // nil: no OAuth 2
}

func (s *signer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != s.origin.Scheme || req.URL.Host != s.origin.Host {
		return s.base.RoundTrip(req)
	}
	signed, err := s.signed(req)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	resp, err := s.base.RoundTrip(signed)
	if err == nil && resp.StatusCode == http.StatusUnauthorized && s.tokens != nil {
		s.tokens.forget()
	}
	return resp, err
}

// signed returns req with all headers.
func (s *signer) signed(req *http.Request) (*http.Request, error) {
	req = req.Clone(req.Context())
	for name, value := range s.headers {
		v, err := value.TryString(service.NewMessage(nil))
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(name, v)
	}
	if err := s.sign(req); err != nil {
		return nil, err
	}
	if s.tokens != nil {
		token, err := s.tokens.get()
		if err != nil {
			return nil, err
		}
		token.SetAuthHeader(req)
	}
	return req, nil
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (s *signer) CloseIdleConnections() {
	if c, ok := s.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// tokens is a source of OAuth 2 tokens. A token is used until it expires, or until the
// server has refused it.
type tokens struct {
	conf   clientcredentials.Config
	client *http.Client

	mu     sync.Mutex
	source oauth2.TokenSource // nil: there is no token
}

// newTokens returns nil if OAuth 2 is not enabled.
func newTokens(p *service.ParsedConfig, base http.RoundTripper, timeout time.Duration) (*tokens, error) {
	if !p.Contains(fieldOAuth2) {
		return nil, nil
	}
	if enabled, err := p.FieldBool(fieldOAuth2, fieldEnabled); err != nil || !enabled {
		return nil, err
	}
	var errs []error
	conf := clientcredentials.Config{
		ClientID:       field(&errs, p.FieldString, []string{fieldOAuth2, fieldClientKey}),
		ClientSecret:   field(&errs, p.FieldString, []string{fieldOAuth2, fieldClientSecret}),
		TokenURL:       field(&errs, p.FieldString, []string{fieldOAuth2, fieldTokenURL}),
		Scopes:         field(&errs, p.FieldStringList, []string{fieldOAuth2, fieldScopes}),
		EndpointParams: url.Values{},
	}
	for name, list := range field(&errs, p.FieldAnyMap, []string{fieldOAuth2, fieldEndpointParams}) {
		conf.EndpointParams[name] = field(&errs, list.FieldStringList, nil)
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("oauth2: %w", errs[0])
	}
	return &tokens{conf: conf, client: &http.Client{Transport: base, Timeout: timeout}}, nil
}

func (t *tokens) get() (*oauth2.Token, error) {
	t.mu.Lock()
	if t.source == nil {
		t.source = t.conf.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, t.client))
	}
	source := t.source
	t.mu.Unlock()
	return source.Token()
}

func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.source = nil
}
