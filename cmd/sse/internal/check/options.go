package check

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
)

const usage = `sse check says why a stream does not stream.

  sse check [flags] URL      watch it over connections that differ in one thing
  sse check [flags] FILE     check the bytes of a file, or of - for stdin

Request  -X method    -d data, or @file, or - for stdin; makes it a POST
         -H 'Name: value'    -cacert file    -k (any certificate)
         -as browser | llm (a POST and its answer) | mcp (opens a session first)
Compare  -direct ORIGIN (the server behind the proxies, http://localhost:8080)
         -origin ORIGIN (may a page of https://app.example read it?)
         -for 5m (watch so long for cuts and heartbeats; the default is seconds)
Report   -json    -skip id (leave a finding out; may be repeated)

Findings: a problem, a risk or a note, each with what was seen, the likely cause
and the fix. What could not be verified is listed as that, and not as passed.

  sse check https://example.com/events
  sse check -direct http://localhost:8080 -for 3m https://example.com/events
  sse check -as llm -H "Authorization: Bearer $KEY" -d @request.json URL

It makes a dozen connections at most, and sends a POST two or three times.
Exit codes: 0 no problem, 1 problems, 2 wrong usage or nothing reached,
130 interrupted. What each finding means: docs/check.md of the repository.
`

// options are what the arguments say.
type options struct {
	target *url.URL // nil: a file
	file   string   // "-": stdin

	method   string
	header   http.Header
	body     []byte
	insecure bool
	roots    *x509.CertPool
	as       string
	direct   *url.URL
	origin   string
	watch    time.Duration
	json     bool
	skip     []string
}

// parse reads the arguments: flags and one target in any order. Its error is flag.ErrHelp
// for -h.
func parse(args []string, stdin io.Reader) (*options, error) {
	o := &options{header: make(http.Header)}
	var content, cacert, direct string
	flags := flag.NewFlagSet("sse check", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.method, "X", "", "")
	flags.StringVar(&content, "d", "", "")
	flags.Func("H", "", o.addHeader)
	flags.StringVar(&cacert, "cacert", "", "")
	flags.BoolVar(&o.insecure, "k", false, "")
	flags.StringVar(&o.as, "as", "", "")
	flags.StringVar(&direct, "direct", "", "")
	flags.StringVar(&o.origin, "origin", "", "")
	flags.DurationVar(&o.watch, "for", 0, "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.Func("skip", "", o.addSkip)

	var targets []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			break
		}
		targets = append(targets, flags.Arg(0))
		args = flags.Args()[1:]
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case len(targets) != 1:
		return nil, fmt.Errorf("it checks one URL or file, and there are %d", len(targets))
	case given["as"] && !slices.Contains([]string{"browser", "llm", "mcp"}, o.as):
		return nil, fmt.Errorf("-as %q: want browser, llm or mcp", o.as)
	case o.watch < 0 || o.watch > 24*time.Hour:
		return nil, errors.New("-for: want a time of at most 24h")
	case o.as == "llm" && !given["d"]:
		return nil, errors.New("-as llm goes with a request: -d data, or -d @file")
	}
	if err := o.setTarget(targets[0], given); err != nil {
		return nil, err
	}
	if given["d"] {
		if err := o.readBody(content, stdin); err != nil {
			return nil, err
		}
	}
	if o.method == "" {
		o.method = http.MethodGet
		if o.body != nil {
			o.method = http.MethodPost
		}
	}
	if _, err := http.NewRequestWithContext(context.Background(), o.method, "http://host", nil); err != nil {
		return nil, fmt.Errorf("-X %q is no method", o.method)
	}
	if direct != "" {
		u, err := parseURL(direct)
		if err != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
			return nil, fmt.Errorf("-direct %q: want an origin, such as http://localhost:8080", direct)
		}
		o.direct = u
	}
	if given["origin"] {
		u, err := url.Parse(o.origin)
		if err != nil || u.Host == "" || u.Scheme == "" || u.Path != "" {
			return nil, fmt.Errorf("-origin %q: want an origin, such as https://app.example", o.origin)
		}
	}
	if cacert != "" {
		pem, err := os.ReadFile(cacert)
		if err != nil {
			return nil, fmt.Errorf("-cacert: %w", err)
		}
		o.roots = x509.NewCertPool()
		if !o.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-cacert: no certificate in %s", cacert)
		}
	}
	return o, nil
}

// setTarget tells a URL from a file. A file that exists is a file; a bare host is a URL.
func (o *options) setTarget(arg string, given map[string]bool) error {
	_, err := os.Stat(arg)
	if arg == "-" || !strings.Contains(arg, "://") && err == nil {
		o.file = arg
		for name := range given {
			if name != "json" && name != "skip" {
				return fmt.Errorf("-%s does not go with a file", name)
			}
		}
		return nil
	}
	o.target, err = parseURL(arg)
	if err != nil {
		return fmt.Errorf("%q is no file, and no http or https URL", arg)
	}
	if o.target.User != nil {
		r := http.Request{Header: o.header}
		password, _ := o.target.User.Password()
		if o.header.Get("Authorization") == "" {
			r.SetBasicAuth(o.target.User.Username(), password)
		}
		o.target.User = nil
	}
	return nil
}

// parseURL parses a URL; one without a scheme is http.
func parseURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err == nil && (u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https") {
		err = errors.New("no http or https URL")
	}
	return u, err
}

func (o *options) addHeader(line string) error {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || name == "" || strings.ContainsFunc(name, notInName) || strings.ContainsFunc(value, unicode.IsControl) {
		return errors.New("want 'Name: value'")
	}
	o.header.Add(name, value)
	return nil
}

// notInName reports whether no header's name can have r (RFC 9110, section 5.6.2).
func notInName(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

func (o *options) addSkip(id string) error {
	if !slices.Contains(ids, id) {
		return fmt.Errorf("there is no such finding; they are %s", strings.Join(ids, " "))
	}
	o.skip = append(o.skip, id)
	return nil
}

// readBody reads what -d names.
func (o *options) readBody(content string, stdin io.Reader) (err error) {
	file, isFile := strings.CutPrefix(content, "@")
	switch {
	case content == "-":
		o.body, err = io.ReadAll(stdin)
	case isFile:
		o.body, err = os.ReadFile(file)
	default:
		o.body = []byte(content)
	}
	if err != nil {
		return fmt.Errorf("-d: %w", err)
	}
	if o.header.Get("Content-Type") == "" {
		typ := "application/x-www-form-urlencoded"
		if first := strings.TrimSpace(string(o.body[:min(len(o.body), 64)])); strings.HasPrefix(first, "{") || strings.HasPrefix(first, "[") {
			typ = "application/json"
		}
		o.header.Set("Content-Type", typ)
	}
	return nil
}
