package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/assertion"
)

// options are what the arguments say.
type options struct {
	urls    []string
	demo    bool
	version bool

	streams int
	ramp    seconds
	hold    seconds // -for
	sources list
	openIn  seconds

	lines     list // -H
	method    string
	content   string // -d
	tokenFile string
	tokens    []string
	insecure  bool
	cacert    string
	cert      string
	key       string
	http2     bool

	backoff string
	idle    seconds

	time, sequence string
	says, topic    string
	stall          seconds
	publish        string
	publishEvery   seconds
	publishLines   list
	publishContent string

	kills         []load.Kill
	expectRestart bool
	slow          load.Slow

	json, hdr, html string
	asserts         []assertion.Assertion
	quiet           bool

	given map[string]bool
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ", ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// seconds is a time, which may be a bare number as with curl.
type seconds time.Duration

func (s *seconds) String() string { return time.Duration(*s).String() }

func (s *seconds) Set(text string) error {
	d, err := parseSeconds(text)
	*s = seconds(d)
	return err
}

func parseSeconds(text string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("want a time such as 30, 1.5s or 10m")
	}
	return d, nil
}

// flags returns the flags, which set the options. The help page says what they are for.
func (o *options) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("sseload", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&o.streams, "n", 1, "")
	flags.Var(&o.ramp, "ramp", "")
	flags.Var(&o.hold, "for", "")
	flags.Var(&o.sources, "source", "")
	flags.Var(&o.openIn, "open-in", "")
	flags.Var(&o.lines, "H", "")
	flags.StringVar(&o.method, "X", "", "")
	flags.StringVar(&o.content, "d", "", "")
	flags.StringVar(&o.tokenFile, "token-file", "", "")
	flags.BoolVar(&o.insecure, "k", false, "")
	flags.StringVar(&o.cacert, "cacert", "", "")
	flags.StringVar(&o.cert, "cert", "", "")
	flags.StringVar(&o.key, "key", "", "")
	flags.BoolVar(&o.http2, "http2", false, "")
	flags.StringVar(&o.backoff, "backoff", "sse", "")
	flags.Var(&o.idle, "idle", "")
	flags.StringVar(&o.time, "time", "", "")
	flags.StringVar(&o.sequence, "seq", "", "")
	flags.StringVar(&o.says, "says", "", "")
	flags.StringVar(&o.topic, "topic", "", "")
	flags.Var(&o.stall, "stall", "")
	flags.StringVar(&o.publish, "publish", "", "")
	flags.Var(&o.publishEvery, "publish-every", "")
	flags.Var(&o.publishLines, "publish-H", "")
	flags.StringVar(&o.publishContent, "publish-d", "", "")
	flags.Func("kill", "", o.addKill)
	flags.BoolVar(&o.expectRestart, "expect-restart", false, "")
	flags.Func("slow", "", o.setSlow)
	flags.StringVar(&o.json, "json", "", "")
	flags.StringVar(&o.hdr, "hdr", "", "")
	flags.StringVar(&o.html, "html", "", "")
	flags.Func("assert", "", o.addAssert)
	flags.BoolVar(&o.quiet, "q", false, "")
	flags.BoolVar(&o.demo, "demo", false, "")
	flags.BoolVar(&o.version, "version", false, "")
	return flags
}

// addKill reads a -kill, such as 30%@60s.
func (o *options) addKill(text string) error {
	part, at, ok := strings.Cut(text, "@")
	fraction, okPart := parsePart(part)
	d, err := parseSeconds(at)
	if !ok || !okPart || err != nil {
		return errors.New("want a part of the streams and a time since the start, such as 30%@60s")
	}
	o.kills = append(o.kills, load.Kill{Fraction: fraction, At: d})
	return nil
}

// setSlow reads -slow, such as 10%@1KB/s.
func (o *options) setSlow(text string) error {
	part, rate, ok := strings.Cut(text, "@")
	fraction, okPart := parsePart(part)
	size, perSecond := strings.CutSuffix(rate, "/s")
	v, okSize := assertion.ParseSize(size)
	if !ok || !okPart || !perSecond || !okSize || v < 1 || v > 1<<40 {
		return errors.New("want a part of the streams and a rate, such as 10%@1KB/s")
	}
	o.slow = load.Slow{Fraction: fraction, BytesPerSecond: int(v)}
	return nil
}

// parsePart reads a percentage above 0 %.
func parsePart(text string) (float64, bool) {
	digits, ok := strings.CutSuffix(text, "%")
	p, err := strconv.ParseFloat(digits, 64)
	return p / 100, ok && err == nil && p > 0 && p <= 100
}

func (o *options) addAssert(text string) error {
	a, err := assertion.Parse(text)
	o.asserts = append(o.asserts, a)
	return err
}

// parseArgs reads the arguments: flags and URLs in any order. Its error is flag.ErrHelp for -h. All
// that can be wrong with the arguments is found here, by config or by openFiles, before any request.
func (cmd *command) parseArgs(args []string) (*options, error) {
	o := new(options)
	flags := o.flags()
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			break
		}
		o.urls = append(o.urls, flags.Arg(0))
		args = flags.Args()[1:]
	}
	o.given = make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { o.given[f.Name] = true })
	if err := o.check(); err != nil || o.version {
		return o, err
	}
	if err := o.readFiles(cmd.stdin); err != nil {
		return nil, err
	}
	return o, nil
}

// withDemo are the flags that go with -demo.
var withDemo = []string{"demo", "n", "backoff", "json", "hdr", "html", "assert", "q"}

// check refuses what makes no sense together.
func (o *options) check() error {
	for name := range o.given {
		switch {
		case o.version && (len(o.given) > 1 || len(o.urls) > 0):
			return errors.New("-version goes with nothing else")
		case o.demo && !slices.Contains(withDemo, name):
			return fmt.Errorf("-demo does not go with -%s: it goes with -%s", name, strings.Join(withDemo[1:], ", -"))
		case strings.HasPrefix(name, "publish-") && o.publish == "":
			return fmt.Errorf("-%s goes with -publish", name)
		}
	}
	switch {
	case o.version:
		return nil
	case o.demo && len(o.urls) > 0:
		return errors.New("-demo goes with no URL: it has a server of its own")
	case !o.demo && len(o.urls) == 0:
		return errors.New("a URL is missing")
	case o.streams < 1:
		return errors.New("-n must be positive")
	case o.streams < len(o.urls):
		return fmt.Errorf("%d URLs need as many streams: -n is %d", len(o.urls), o.streams)
	case o.key != "" && o.cert == "":
		return errors.New("-key goes with -cert")
	case o.http2 && len(o.sources) > 0:
		return errors.New("-http2 and -source exclude each other")
	case !slices.Contains([]string{"sse", "browser", "none"}, o.backoff):
		return errors.New("-backoff: want sse, browser or none")
	case o.given["token-file"] && o.tokenFile == "":
		return errors.New("-token-file: the name of a file is missing")
	case o.given["publish"] && o.publish == "":
		return errors.New("-publish: a URL is missing")
	case o.publish != "" && o.time != "":
		return errors.New("-publish and -time exclude each other: with -publish, sseload knows when it sent an event")
	case o.publish != "" && o.sequence != "":
		return errors.New("-publish and -seq exclude each other: with -publish, sseload knows an event's number")
	case o.json == "-" && o.quiet:
		return errors.New("-json - and -q exclude each other")
	}
	for _, f := range []struct {
		name string
		d    seconds
	}{{"for", o.hold}, {"open-in", o.openIn}, {"stall", o.stall}, {"idle", o.idle}, {"publish-every", o.publishEvery}} {
		if o.given[f.name] && f.d == 0 {
			return fmt.Errorf("-%s must be positive", f.name)
		}
	}
	for _, name := range []string{"json", "hdr", "html"} {
		if o.given[name] && o.output(name) == "" {
			return fmt.Errorf("-%s: the name of a file is missing", name)
		}
	}
	return o.checkKills()
}

func (o *options) output(name string) string {
	return map[string]string{"json": o.json, "hdr": o.hdr, "html": o.html}[name]
}

// checkKills refuses a -kill that would come after the end.
func (o *options) checkKills() error {
	for _, k := range o.kills {
		if end := o.rampTime() + time.Duration(o.hold); o.hold > 0 && k.At >= end {
			return fmt.Errorf("-kill: the run ends after %s, which is before %s", end, k.At)
		}
	}
	return nil
}

// rampTime returns -ramp, or a millisecond for each stream.
func (o *options) rampTime() time.Duration {
	if o.given["ramp"] {
		return time.Duration(o.ramp)
	}
	return time.Duration(o.streams-1) * time.Millisecond
}

// addresses reads -source.
func (o *options) addresses() (addrs []netip.Addr, err error) {
	for _, arg := range o.sources {
		for text := range strings.SplitSeq(arg, ",") {
			a, err := netip.ParseAddr(strings.TrimSpace(text))
			if err != nil {
				return nil, fmt.Errorf("-source: %q is not an address such as 127.0.0.2", text)
			}
			addrs = append(addrs, a)
		}
	}
	return addrs, nil
}

// planned returns how long a run takes, or 0 if it goes on until a signal.
func planned(cfg *load.Config) time.Duration {
	if cfg.Duration == 0 {
		return 0
	}
	return cfg.Ramp + cfg.Duration
}
