package main

import (
	"errors"
	"flag"
	"io"
	"strconv"
	"strings"
	"time"
)

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ", ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// seconds is a time, which may be a bare number as with curl.
type seconds time.Duration

func (s *seconds) String() string { return time.Duration(*s).String() }

func (s *seconds) Set(text string) error {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return errors.New("want a time such as 30, 1.5s or 10m")
	}
	*s = seconds(d)
	return nil
}

// flags returns the flags, which set the options. The help page says what they are for.
func (o *options) flags() *flag.FlagSet {
	flags := newFlags("sse")
	o.requestFlags(flags)
	o.transportFlags(flags)
	o.streamFlags(flags)
	flags.StringVar(&o.state, "state", "", "")
	flags.Var(&o.types, "type", "")
	flags.BoolVar(&o.data, "data", false, "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.parse, "parse", false, "")
	flags.BoolVar(&o.raw, "raw", false, "")
	flags.StringVar(&o.text, "format", "", "")
	flags.BoolVar(&o.verbose, "v", false, "")
	flags.BoolVar(&o.stats, "stats", false, "")
	flags.BoolVar(&o.demo, "demo", false, "")
	flags.BoolVar(&o.version, "version", false, "")
	return flags
}

func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// requestFlags defines what a request has.
func (o *options) requestFlags(flags *flag.FlagSet) {
	flags.Var(&o.lines, "H", "")
	flags.StringVar(&o.method, "X", "", "")
	flags.StringVar(&o.user, "u", "", "")
	flags.StringVar(&o.user, "user", "", "")
	flags.Var(&o.content, "d", "")
}

// transportFlags defines what a request is sent by.
func (o *options) transportFlags(flags *flag.FlagSet) {
	flags.BoolVar(&o.http2, "http2", false, "")
	flags.StringVar(&o.unix, "unix", "", "")
	flags.StringVar(&o.cacert, "cacert", "", "")
	flags.StringVar(&o.cert, "cert", "", "")
	flags.StringVar(&o.key, "key", "", "")
	flags.BoolVar(&o.insecure, "k", false, "")
}

// streamFlags defines where a stream begins, when it ends, and when it is opened again.
func (o *options) streamFlags(flags *flag.FlagSet) {
	flags.StringVar(&o.id, "id", "", "")
	flags.IntVar(&o.max, "n", 0, "")
	flags.Var(&o.until, "until", "")
	flags.BoolVar(&o.once, "once", false, "")
	flags.BoolVar(&o.forever, "retry-forever", false, "")
	flags.Var(&o.idle, "idle", "")
	flags.Var(&o.maxTime, "max-time", "")
	flags.IntVar(&o.maxEvent, "max-event", 0, "")
}

// parseFlags reads arguments: flags, which are then given, and others, in any order.
func parseFlags(flags *flag.FlagSet, args []string) (others []string, given map[string]bool, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, nil, err
		}
		if flags.NArg() == 0 {
			break
		}
		others = append(others, flags.Arg(0))
		args = flags.Args()[1:]
	}
	given = make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return others, given, nil
}
