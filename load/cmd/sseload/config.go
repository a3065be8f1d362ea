package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lastevent/sse/load"
)

// stream returns what the templates of stream i see.
func (o *options) stream(i int) stream {
	s := stream{Stream: i}
	if len(o.tokens) > 0 {
		s.Token = o.tokens[i%len(o.tokens)]
	}
	return s
}

// config returns the run that the options ask for.
func (o *options) config() (load.Config, error) {
	cfg := load.Config{
		Streams: o.streams, Ramp: o.rampTime(), Duration: time.Duration(o.hold), OpenIn: time.Duration(o.openIn),
		Stall: time.Duration(o.stall), Kill: o.kills, ExpectRestart: o.expectRestart, Slow: o.slow,
	}
	var err error
	if cfg.Sources, err = o.addresses(); err != nil {
		return cfg, err
	}
	if err := o.setRequest(&cfg); err != nil {
		return cfg, err
	}
	if cfg.TLS, err = o.tls(); err != nil {
		return cfg, err
	}
	if o.http2 {
		tr := http.DefaultTransport.(*http.Transport).Clone()
		tr.TLSClientConfig, tr.Protocols = cfg.TLS, new(http.Protocols)
		tr.Protocols.SetHTTP2(true)
		tr.Protocols.SetUnencryptedHTTP2(true)
		cfg.Transport = tr
	}
	switch o.backoff {
	case "browser":
		cfg.Client = load.Browser()
	case "none":
		cfg.Client.Reconnect = func(error) bool { return false }
	}
	cfg.Client.IdleTimeout = time.Duration(o.idle)
	if err := o.setMeasured(&cfg); err != nil {
		return cfg, err
	}
	return cfg, o.setPublish(&cfg)
}

// setRequest sets the URLs and what makes their requests.
func (o *options) setRequest(cfg *load.Config) error {
	example := o.stream(0)
	var urls []text
	for i, arg := range o.urls {
		arg, err := readURL(arg)
		if err != nil {
			return fmt.Errorf("URL %d: %w", i+1, err)
		}
		t, err := parseText(arg, example)
		if err != nil {
			return fmt.Errorf("URL %d: %w", i+1, err)
		}
		first, _ := t.render(example)
		if err := checkURL(first); err != nil {
			return fmt.Errorf("URL %d: %w", i+1, err)
		}
		urls = append(urls, t)
		cfg.URLs = append(cfg.URLs, first)
	}
	method := o.method
	switch {
	case method != "" && !isToken(method):
		return errors.New("-X: this is no method")
	case method == "" && o.given["d"]:
		method = http.MethodPost
	case method == "":
		method = http.MethodGet
	}
	r, err := newRequest(method, o.lines, o.given["d"], o.content, example)
	if err != nil {
		return fmt.Errorf("-H or -d: %w", err)
	}
	if len(o.tokens) > 0 && !slices.ContainsFunc(slices.Concat(o.urls, o.lines, []string{o.content}), func(s string) bool { return strings.Contains(s, ".Token") }) {
		return errors.New("-token-file: no template uses a token: add -H 'Authorization: Bearer {{.Token}}'")
	}
	if err := o.setTopic(cfg, urls); err != nil {
		return err
	}
	cfg.Request = func(i int, _ string) (*http.Request, error) {
		s := o.stream(i)
		u, err := urls[i%len(urls)].render(s)
		if err != nil {
			return nil, err
		}
		return r.make(u, s)
	}
	return nil
}

// setTopic sets what -topic says. If it says nothing, streams have the same topic if their URLs are of the same
// argument, and differ at most in the query, where a token may stand.
func (o *options) setTopic(cfg *load.Config, urls []text) error {
	if o.topic != "" {
		topic, err := parseText(o.topic, o.stream(0))
		if err != nil {
			return fmt.Errorf("-topic: %w", err)
		}
		cfg.Topic = func(i int, _ string) string {
			name, _ := topic.render(o.stream(i))
			return name
		}
		return nil
	}
	if !slices.ContainsFunc(urls, func(t text) bool { return t.tmpl != nil }) {
		return nil
	}
	cfg.Topic = func(i int, _ string) string {
		u, _ := urls[i%len(urls)].render(o.stream(i))
		path, _, _ := strings.Cut(u, "?")
		return strconv.Itoa(i%len(urls)) + " " + path
	}
	return nil
}

// readURL adds http:// where a scheme is missing, as curl does.
func readURL(arg string) (string, error) {
	if arg == "" {
		return "", errors.New("it is empty")
	}
	if !strings.Contains(strings.SplitN(arg, "?", 2)[0], "://") {
		arg = "http://" + arg
	}
	return arg, nil
}

// checkURL returns an error that does not quote the URL, which may have a password in it.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil && strings.Contains(s, "@"):
		return errors.New("it cannot be parsed (what stands before @ needs percent-encoding)")
	case err != nil:
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err // without the query
		}
		return err
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the scheme is %q, not http or https", u.Scheme)
	case u.Hostname() == "":
		return errors.New("it has no host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("there is no such port")
		}
	}
	return nil
}

// tls returns what -k, -cacert, -cert and -key say, or nil if none of them is there.
func (o *options) tls() (*tls.Config, error) {
	if !o.insecure && o.cacert == "" && o.cert == "" {
		return nil, nil //nolint:nilnil // the system's
	}
	cfg := &tls.Config{InsecureSkipVerify: o.insecure} //nolint:gosec // the user wants it
	if o.cacert != "" {
		pem, err := os.ReadFile(o.cacert)
		if err != nil {
			return nil, fmt.Errorf("-cacert: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-cacert: no certificate in %s", o.cacert)
		}
	}
	if o.cert != "" {
		key := o.key
		if key == "" {
			key = o.cert // both are in one file
		}
		pair, err := tls.LoadX509KeyPair(o.cert, key)
		if err != nil {
			return nil, fmt.Errorf("-cert: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// setPublish sets what -publish and its companions say.
func (o *options) setPublish(cfg *load.Config) error {
	if o.publish == "" {
		return nil
	}
	u, err := readURL(o.publish)
	if err == nil {
		err = checkURL(u)
	}
	if err != nil {
		return fmt.Errorf("-publish: %w", err)
	}
	cfg.Publish = &load.Publish{URL: u, Interval: time.Duration(o.publishEvery)}
	if !o.given["publish-d"] && len(o.publishLines) == 0 {
		return nil
	}
	body := o.publishContent
	if !o.given["publish-d"] {
		body = "{{.Text}}"
	} else if !strings.Contains(body, ".Text") {
		return errors.New("-publish-d: it must have {{.Text}} in it, by which sseload knows the event when it comes")
	}
	r, err := newRequest(http.MethodPost, o.publishLines, true, body, event{1, "text"})
	if err != nil {
		return fmt.Errorf("-publish-H or -publish-d: %w", err)
	}
	if !o.given["publish-d"] {
		r.typ = "text/plain"
	}
	cfg.Publish.Request = func(n int64, token string) (*http.Request, error) { return r.make(u, event{n, token}) }
	return nil
}
