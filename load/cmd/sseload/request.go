package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// A request makes the requests of streams, or those that publish.
type request struct {
	method string
	header []field
	body   text
	typ    string // the body's media type, unless a header has one
}

type field struct {
	name  string
	value text
}

// newRequest reads the lines of -H and the text of -d. Its errors do not quote a line, which may be a
// secret.
func newRequest(method string, lines []string, hasBody bool, body string, example any) (r request, err error) {
	r.method = method
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || !isToken(name) {
			return r, errors.New("want 'Name: value'")
		}
		t, err := parseText(value, example)
		if err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
		if shown, _ := t.render(example); strings.ContainsFunc(shown, isControl) {
			return r, fmt.Errorf("%s has a control character", name)
		}
		r.header = append(r.header, field{name, t})
	}
	if r.body, err = parseText(body, example); err != nil {
		return r, err
	}
	if hasBody {
		r.typ = "application/x-www-form-urlencoded"
		if shown, _ := r.body.render(example); strings.HasPrefix(strings.TrimSpace(shown), "{") || strings.HasPrefix(strings.TrimSpace(shown), "[") {
			r.typ = "application/json"
		}
	}
	return r, nil
}

// isToken reports whether s can be the name of a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// make returns the request for a URL.
func (r *request) make(url string, data any) (*http.Request, error) {
	body, err := r.body.render(data)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(r.method, url, strings.NewReader(body)) //nolint:noctx // load.Run gives it one
	if err != nil {
		return nil, err
	}
	if r.typ == "" && body == "" {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	}
	for _, f := range r.header {
		value, err := f.value.render(data)
		if err != nil {
			return nil, err
		}
		req.Header.Add(f.name, value)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host // net/http takes it only from here
	}
	if r.typ != "" && req.Header["Content-Type"] == nil {
		req.Header.Set("Content-Type", r.typ)
	}
	return req, nil
}
