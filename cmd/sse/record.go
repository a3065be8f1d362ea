package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/cmd/sse/internal/record"
)

const recordHelp = `sse record writes what a server streams, with its timing, to a file.

  sse record [flags] -o FILE URL       sse replay FILE plays it
  sse record -listen ADDR -to ORIGIN -o FILE
                         the same for a program that cannot be changed: it
                         connects to ADDR (:9000 is port 9000 of this machine)
  -o file                - is standard output     -q    show nothing meanwhile
Left out of the file, as [redacted] or ***
  credentials in headers, URLs and bodies, also where the server repeats them
  -no-redact             leave them in
  -redact-pattern REGEXP also what it matches, or its first group: digits become
                         0 and letters x, for times and IDs that always change
  -max-size bytes        end the recording at this size (256 MiB if not set)
Request, as for sse      -H -u -d -X -http2 -unix -cacert -cert -key -k
Stream, as for sse       -id -n -until -once -retry-forever -idle -max-time
                         -max-event

  sse record -o feed.rec -n 100 https://example.com/feed
  sse record -o answer.rec -H "Authorization: Bearer $KEY" -d @ask.json URL

Each line is written at once: a recording that was killed can be played, too.
`

// recordOptions are what the arguments of sse record say.
type recordOptions struct {
	options
	file     string
	quiet    bool
	redact   bool
	plain    bool // -no-redact
	exprs    list // -redact-pattern, which are compiled to patterns
	patterns []*regexp.Regexp
	maxSize  int64
	listen   string
	to       string
	origin   *url.URL
}

func (o *recordOptions) flags() *flag.FlagSet {
	flags := newFlags("sse record")
	o.requestFlags(flags)
	o.transportFlags(flags)
	o.streamFlags(flags)
	flags.StringVar(&o.file, "o", "", "")
	flags.BoolVar(&o.quiet, "q", false, "")
	flags.BoolVar(&o.redact, "redact", true, "")
	flags.BoolVar(&o.plain, "no-redact", false, "")
	flags.Var(&o.exprs, "redact-pattern", "")
	flags.Int64Var(&o.maxSize, "max-size", 0, "")
	flags.StringVar(&o.listen, "listen", "", "")
	flags.StringVar(&o.to, "to", "", "")
	return flags
}

// parseRecord reads the arguments.
func (cmd *command) parseRecord(args []string) (*recordOptions, error) {
	o := new(recordOptions)
	urls, given, err := parseFlags(o.flags(), args)
	if err != nil {
		return nil, err
	}
	switch {
	case o.file == "":
		return nil, errors.New("-o: the name of a file is missing")
	case given["max-size"] && (o.maxSize < 1 || o.maxSize > record.MaxSize):
		return nil, fmt.Errorf("-max-size: want a number of bytes up to %d", record.MaxSize)
	case given["redact"] && o.redact && o.plain:
		return nil, errors.New("-redact and -no-redact exclude each other")
	}
	o.redact = o.redact && !o.plain
	for _, expr := range o.exprs {
		pattern, err := regexp.Compile(expr)
		if err != nil {
			return nil, fmt.Errorf("-redact-pattern: %w", err)
		}
		o.patterns = append(o.patterns, pattern)
	}
	if err := o.checkStream(given); err != nil {
		return nil, err
	}
	if given["listen"] || given["to"] {
		return o, o.parseProxy(given, len(urls))
	}
	if len(urls) != 1 {
		return nil, fmt.Errorf("it records one URL, and there are %d", len(urls))
	}
	return o, o.readRequest(cmd.stdin, given, urls)
}

// parseProxy reads the arguments of a recording proxy.
func (o *recordOptions) parseProxy(given map[string]bool, urls int) (err error) {
	request := newFlags("")
	o.requestFlags(request)
	o.streamFlags(request)
	request.VisitAll(func(f *flag.Flag) {
		if given[f.Name] && f.Name != "max-time" {
			err = fmt.Errorf("-%s does not go with -listen: the requests are the program's", f.Name)
		}
	})
	switch {
	case err != nil:
		return err
	case !given["listen"] || !given["to"]:
		return errors.New("-listen goes with -to")
	case urls > 0:
		return errors.New("a URL does not go with -listen")
	}
	src, err := newSource(o.to)
	if err != nil {
		return fmt.Errorf("-to: %w", err)
	}
	u := src.url
	if u.Path != "/" || u.RawQuery != "" || u.User != nil {
		return errors.New("-to: want an origin, such as https://example.com")
	}
	o.origin = u
	return nil
}

// A recordRun is one run of sse record.
type recordRun struct {
	narrator
	*recordOptions
	recorder *record.Recorder
	cancel   context.CancelCauseFunc
	out      io.WriteCloser
	events   int
	failed   error // what the stream ended with
}

// record runs sse record.
func (cmd *command) record(ctx context.Context, args []string) int {
	o, err := cmd.parseRecord(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(cmd.stdout, recordHelp)
		return exitEnded
	}
	var tr *http.Transport
	if err == nil {
		tr, err = cmd.newTransport(&o.options)
	}
	var l net.Listener
	var req *http.Request
	switch {
	case err != nil:
	case o.origin != nil:
		l, err = listen(ctx, o.listen)
	default:
		req, err = o.newRequest(o.sources[0], o.id)
	}
	var file io.WriteCloser
	if err == nil {
		file, err = cmd.create(o)
	}
	if err != nil {
		return cmd.usageOf("sse record", err)
	}
	r := &recordRun{narrator: narrator{command: cmd, quiet: o.quiet, start: time.Now()}, recordOptions: o, out: file}
	signaled := ctx
	if o.maxTime > 0 {
		timed, cancel := context.WithTimeoutCause(ctx, time.Duration(o.maxTime), errMaxTime)
		defer cancel()
		ctx = timed
	}
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	r.recorder = record.New(file, record.Options{Redact: o.redact, Patterns: o.patterns, MaxSize: o.maxSize}, r.cancel)
	r.hide = r.recorder.Hide
	if l != nil {
		r.proxy(ctx, l, tr)
	} else {
		r.follow(req.WithContext(ctx), tr)
	}
	r.recorder.Close()
	return r.end(ctx, signaled)
}

// end reports how the run ended, and returns the exit code.
func (r *recordRun) end(ctx, signaled context.Context) int {
	cause := context.Cause(ctx)
	if err := r.out.Close(); err != nil && cause == nil {
		cause = err
	}
	if r.shows() {
		fmt.Fprintln(r.stderr, r.stderr.Own(erase)+r.summary()) // in place of ^C
	}
	switch {
	case cause == errDone, cause == nil:
		return r.code(signaled, r.failed)
	}
	return r.code(signaled, cause)
}

func (r *recordRun) summary() string {
	n := r.recorder.Count()
	text := count(n.Connections, "connection") + ", "
	if r.origin == nil {
		text += count(r.events, "event") + ", "
	}
	return text + size(n.Bytes) + " in " + r.file
}

// create opens the file of the recording. One that may have secrets in it is only the user's.
func (cmd *command) create(o *recordOptions) (io.WriteCloser, error) {
	if o.file == "-" {
		return nopCloser{cmd.stdout}, nil
	}
	mode := os.FileMode(0o666)
	if !o.redact {
		mode = 0o600
	}
	f, err := os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return nil, fmt.Errorf("-o: %w", err)
	}
	return f, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// follow records the stream of a URL.
func (r *recordRun) follow(req *http.Request, tr *http.Transport) {
	r.recorder.Secrets(r.header.Get("Content-Type"), r.body)
	transport := r.recorder.Transport(tr)
	defer transport.CloseIdleConnections()
	client := sse.Client{
		HTTPClient: &http.Client{Transport: transport}, Reconnect: r.policy(),
		IdleTimeout: time.Duration(r.idle), MaxEventSize: r.maxEvent, Trace: r.trace(),
	}
	events := client.Events(req)
	last := func(ev sse.Event) bool { return slices.Contains(r.until, ev.Data) }
	if len(r.until) > 0 {
		events = sse.Until(events, last)
	}
	for ev, err := range events {
		if err != nil {
			if req.Context().Err() == nil {
				r.failed = err
			}
			return
		}
		r.events++
		r.event(ev)
		if last(ev) || r.events == r.max {
			return
		}
	}
}

// proxy passes requests on, until the context is done.
func (r *recordRun) proxy(ctx context.Context, l net.Listener, tr *http.Transport) {
	report := func(err error) { r.complain("", err) }
	srv := &http.Server{Handler: r.recorder.Proxy(r.origin, tr, report), ErrorLog: log.New(log.Writer(), "", 0), ReadHeaderTimeout: time.Minute}
	address := "http://" + l.Addr().String() + "/"
	if r.file == "-" {
		fmt.Fprintln(r.stderr, address)
	} else {
		fmt.Fprintln(r.stdout, address)
	}
	go srv.Serve(l)
	<-ctx.Done()
	r.recorder.Close()
	srv.Close()
}

// listen listens at an address: without a host, only this machine can connect.
func listen(ctx context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("-listen: want host:port, or :port: %w", err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	return l, nil
}
