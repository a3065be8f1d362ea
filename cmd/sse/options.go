package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/template"
	"time"
)

const help = `sse prints the events of a stream as they come, and resumes it after drops.

  sse [flags] URL ...   several URLs at once: each line has its URL's name, or
                        one of yours in name=URL
  sse -demo             watch a stream survive a bad server, in five seconds

Request  -H 'Name: value'    -X method    -user name:password    -http2 (alone)
         -d data, or @file, or - for stdin; makes it a POST
         -cacert file    -k (any certificate)
Stream   -id ID (resume after it)    -state file (keep the last ID across runs)
         -n number of events    -type name (only it)    -until data (stop there)
         -once (no reconnection)    -retry-forever (before it opened, and POSTs)
         -idle 1m (drop if silent for so long)    -max-event bytes
Output   -data (alone)    -json (an object a line)    -raw (bytes as they come)
         -format '{{.Type}} {{.Data}}' (also .ID .Time .Name, json and parse)
         -v (headers, comments, drops and waits)    -stats (one live line)

  sse -data -n 1 https://stream.wikimedia.org/v2/stream/recentchange
  sse -format '{{(parse .Data).title}}' https://example.com/articles
  sse -state feed.json -json https://example.com/feed >> feed.log

Exit codes: 0 ended, 1 refused or broken, 2 wrong usage, 130 interrupted.
`

// A source is a stream and what to call it.
type source struct{ name, url string }

// options are what the arguments say.
type options struct {
	sources []source
	demo    bool

	header   http.Header
	method   string
	user     string
	content  string // -d, which readBody reads
	body     []byte
	insecure bool
	cacert   string
	http2    bool

	id       string
	state    string
	max      int
	types    list
	until    list
	once     bool
	forever  bool
	idle     time.Duration
	maxEvent int

	data, json, raw bool
	text            string // -format, which parseFormat parses
	format          *template.Template
	verbose, stats  bool
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ", ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// flags returns the flags, which set the options. The help page tells what they are for.
func (o *options) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("sse", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("H", "", o.addHeader)
	flags.StringVar(&o.method, "X", "", "")
	flags.StringVar(&o.user, "user", "", "")
	flags.StringVar(&o.content, "d", "", "")
	flags.BoolVar(&o.http2, "http2", false, "")
	flags.StringVar(&o.cacert, "cacert", "", "")
	flags.BoolVar(&o.insecure, "k", false, "")
	flags.StringVar(&o.id, "id", "", "")
	flags.StringVar(&o.state, "state", "", "")
	flags.IntVar(&o.max, "n", 0, "")
	flags.Var(&o.types, "type", "")
	flags.Var(&o.until, "until", "")
	flags.BoolVar(&o.once, "once", false, "")
	flags.BoolVar(&o.forever, "retry-forever", false, "")
	flags.DurationVar(&o.idle, "idle", 0, "")
	flags.IntVar(&o.maxEvent, "max-event", 0, "")
	flags.BoolVar(&o.data, "data", false, "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.raw, "raw", false, "")
	flags.StringVar(&o.text, "format", "", "")
	flags.BoolVar(&o.verbose, "v", false, "")
	flags.BoolVar(&o.stats, "stats", false, "")
	flags.BoolVar(&o.demo, "demo", false, "")
	return flags
}

// parse reads the arguments: flags and URLs in any order. Its error is flag.ErrHelp for -h.
func parse(args []string, stdin io.Reader) (*options, error) {
	o := &options{header: make(http.Header)}
	flags := o.flags()
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			break
		}
		o.sources = append(o.sources, newSource(flags.Arg(0)))
		args = flags.Args()[1:]
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["user"] {
		r := http.Request{Header: o.header}
		name, password, _ := strings.Cut(o.user, ":")
		r.SetBasicAuth(name, password)
	}
	if err := o.check(given); err != nil {
		return nil, err
	}
	if given["d"] {
		if err := o.readBody(stdin); err != nil {
			return nil, err
		}
	}
	if given["format"] {
		return o, o.parseFormat()
	}
	return o, nil
}

// check refuses what makes no sense together.
func (o *options) check(given map[string]bool) error {
	outputs := 0
	for _, name := range []string{"data", "json", "raw", "format"} {
		if given[name] {
			outputs++
		}
	}
	switch {
	case o.demo && len(given) > 1, o.demo && len(o.sources) > 0:
		return errors.New("-demo goes with nothing else")
	case o.demo:
		return nil
	case len(o.sources) == 0:
		return errors.New("a URL is missing")
	case outputs > 1:
		return errors.New("-data, -json, -raw and -format exclude each other")
	case o.raw && len(o.sources) > 1:
		return errors.New("-raw goes with one URL")
	case o.id != "" && len(o.sources) > 1:
		return errors.New("-id goes with one URL")
	case o.once && o.forever:
		return errors.New("-once and -retry-forever exclude each other")
	case o.max < 0, o.idle < 0, o.maxEvent < 0:
		return errors.New("-n, -idle and -max-event cannot be negative")
	}
	return nil
}

// newSource reads an argument: a URL, or one behind a name.
func newSource(arg string) source {
	if name, u, ok := strings.Cut(arg, "="); ok && !strings.ContainsAny(name, ":/?") {
		return source{name, u}
	}
	if u, err := url.Parse(arg); err == nil && u.Host != "" {
		return source{strings.TrimSuffix(u.Host+u.Path, "/"), arg}
	}
	return source{arg, arg}
}

func (o *options) addHeader(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok || strings.TrimSpace(name) == "" {
		return errors.New("want 'Name: value'")
	}
	o.header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	return nil
}

// readBody reads what -d names. Without a Content-Type of its own, it is JSON if it begins
// like that, else a form, as with curl.
func (o *options) readBody(stdin io.Reader) (err error) {
	file, isFile := strings.CutPrefix(o.content, "@")
	switch {
	case o.content == "-":
		o.body, err = io.ReadAll(stdin)
	case isFile:
		o.body, err = os.ReadFile(file)
	default:
		o.body = []byte(o.content)
	}
	if err != nil {
		return fmt.Errorf("-d: %w", err)
	}
	if o.method == "" {
		o.method = http.MethodPost
	}
	if _, ok := o.header["Content-Type"]; !ok {
		typ := "application/x-www-form-urlencoded"
		if first := strings.TrimSpace(string(o.body[:min(len(o.body), 64)])); first != "" && slices.Contains([]byte("{["), first[0]) {
			typ = "application/json"
		}
		o.header.Set("Content-Type", typ)
	}
	return nil
}
