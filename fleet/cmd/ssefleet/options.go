package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lastevent/sse/fleet"
)

const help = `ssefleet shares event streams with others of its kind: each stream is read by
one of them, and goes on at another where that one ends.

  ssefleet [flags] FILE   the streams: a URL a line; - for standard input.
                          Prints each event as a JSON object on a line
  ssefleet -status        who reads what, how far it is, how late commits are
  ssefleet -demo          eight streams of its own, an event a second each

Fleet    -nats URL[,URL]   without it the first member on this machine is NATS
                           for all: at -listen (127.0.0.1:8422), stored in -dir
         -dir directory    (ssefleet-data)     -listen address
         -bucket name      (ssefleet)          -replicas n (1) if it is made now
Member   -member name      (host and a random part)
         -ttl 15s          how long streams stand still if theirs was killed
         -commit-events n  -commit-interval t: commit positions after so many
                           events or so much time, else after each event
         -idle 1m          drop connections that are silent for so long
         -v                what the member does, on standard error

  ssefleet -demo -v       twice, in two terminals; then stop one of them

Exit codes: 0 stopped, 1 broken, 2 wrong usage.
`

type options struct {
	list   string
	status bool
	demo   bool

	nats     string
	listen   string
	dir      string
	bucket   string
	replicas int

	member         string
	ttl            time.Duration
	commitEvents   int
	commitInterval time.Duration
	idle           time.Duration
	verbose        bool
}

// flags returns the flags, which set the options. The help page tells what they are for.
func (o *options) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("ssefleet", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.status, "status", false, "")
	flags.BoolVar(&o.demo, "demo", false, "")
	flags.StringVar(&o.nats, "nats", "", "")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8422", "")
	flags.StringVar(&o.dir, "dir", "ssefleet-data", "")
	flags.StringVar(&o.bucket, "bucket", "ssefleet", "")
	flags.IntVar(&o.replicas, "replicas", 1, "")
	flags.StringVar(&o.member, "member", "", "")
	flags.DurationVar(&o.ttl, "ttl", fleet.DefaultLeaseTTL, "")
	flags.IntVar(&o.commitEvents, "commit-events", 0, "")
	flags.DurationVar(&o.commitInterval, "commit-interval", 0, "")
	flags.DurationVar(&o.idle, "idle", 0, "")
	flags.BoolVar(&o.verbose, "v", false, "")
	return flags
}

// parse reads the arguments. Its error is flag.ErrHelp for -h.
func parse(args []string) (*options, error) {
	o := new(options)
	flags := o.flags()
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.list = flags.Arg(0)
	switch {
	case flags.NArg() > 1:
		return nil, errors.New("one FILE, behind the flags")
	case o.status && (o.demo || o.list != ""), o.demo && o.list != "":
		return nil, errors.New("-status, -demo and a FILE exclude each other")
	case !o.status && !o.demo && o.list == "":
		return nil, errors.New("a FILE with URLs is missing")
	case o.idle < 0:
		return nil, errors.New("-idle cannot be negative")
	}
	if o.member == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		o.member = fmt.Sprintf("%s-%s", host, rand.Text()[:8])
	}
	return o, nil
}
