package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/lastevent/sse/fleet"
)

const help = `ssefleet shares event streams with others of its kind: each stream is read by
one of them, and continues at another if that one stops.

  ssefleet [flags] FILE    the streams: a URL a line (- is standard input), or a
                           configuration if FILE ends in .yaml
  ssefleet -demo           eight streams of its own, an event a second each
  ssefleet status          who reads what, how far it is, and what is wrong
  ssefleet position get|reset STREAM    or set STREAM ID, or export
  ssefleet reopen STREAM   one that has ended, or that was stopped at an event
  ssefleet forget STREAM   one that is in no member's list

NATS     -nats URL[,URL]  without it the first member on this machine is NATS
                          for all: at -listen (127.0.0.1:8422), stored in -dir
         -creds -nkey -jwt -ca -cert -key file    -domain of JetStream
         -bucket name (ssefleet)    -replicas n (1) if it is made now
Output   -output stdout, nats:SUBJECT, or the URL of a webhook
         -attempts n      with an event that the output refuses, then it goes to
         -dead-letter file, or its stream is stopped (0: tries for ever)
Member   -member name (the host's and a random part)
         -ttl 15s         how long streams stand still if theirs was killed;
                          also for status, to know a member that was
         -commit-events n    -commit-interval t: commit positions after so many
                          events or so much time (after each event)
         -drain 10s       for what is in hand when it stops
         -idle 1m         drop connections that are silent for so long
Operate  -http address    /metrics, /healthz, /readyz; with -pprof profiles, too
         -log text|json   on standard error    -v (all that the member does)
         -json            status as JSON

SIGTERM and Ctrl-C hand the streams over; a second one ends at once. SIGHUP
reads FILE again. NATS_USER, NATS_PASSWORD and NATS_TOKEN may be in the
environment.
Exit codes: 0 stopped, 1 broken, 2 wrong usage, 3 status has found a stream that
is not read, not connected, or stopped.
`

type options struct {
	command string   // "": a member
	args    []string // of another command
	file    string
	demo    bool

	nats              string
	listen            string
	dir               string
	bucket            string
	replicas          int
	creds, nkey, jwt  string
	ca, cert, key     string
	domain            string
	user, pass, token string // from the environment

	output     string
	attempts   int
	deadLetter string

	member         string
	named          bool // by -member
	ttl            time.Duration
	commitEvents   int
	commitInterval time.Duration
	drain          time.Duration
	idle           time.Duration

	http      string
	pprof     bool
	logFormat string
	verbose   bool
	json      bool
}

// natsFlags are the flags of all commands.
func (o *options) natsFlags(flags *flag.FlagSet) {
	flags.StringVar(&o.nats, "nats", "", "")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8422", "")
	flags.StringVar(&o.bucket, "bucket", "ssefleet", "")
	flags.StringVar(&o.creds, "creds", "", "")
	flags.StringVar(&o.nkey, "nkey", "", "")
	flags.StringVar(&o.jwt, "jwt", "", "")
	flags.StringVar(&o.ca, "ca", "", "")
	flags.StringVar(&o.cert, "cert", "", "")
	flags.StringVar(&o.key, "key", "", "")
	flags.StringVar(&o.domain, "domain", "", "")
}

// memberFlags are those of a member.
func (o *options) memberFlags(flags *flag.FlagSet) {
	flags.BoolVar(&o.demo, "demo", false, "")
	flags.StringVar(&o.dir, "dir", "ssefleet-data", "")
	flags.IntVar(&o.replicas, "replicas", 1, "")
	flags.StringVar(&o.output, "output", "", "")
	flags.IntVar(&o.attempts, "attempts", 0, "")
	flags.StringVar(&o.deadLetter, "dead-letter", "", "")
	flags.StringVar(&o.member, "member", "", "")
	flags.DurationVar(&o.ttl, "ttl", fleet.DefaultLeaseTTL, "")
	flags.IntVar(&o.commitEvents, "commit-events", 0, "")
	flags.DurationVar(&o.commitInterval, "commit-interval", 0, "")
	flags.DurationVar(&o.drain, "drain", 10*time.Second, "")
	flags.DurationVar(&o.idle, "idle", 0, "")
	flags.StringVar(&o.http, "http", "", "")
	flags.BoolVar(&o.pprof, "pprof", false, "")
	flags.StringVar(&o.logFormat, "log", "text", "")
	flags.BoolVar(&o.verbose, "v", false, "")
}

// parse reads the arguments. Its error is flag.ErrHelp for -h.
func parse(args []string) (*options, error) {
	o := &options{user: os.Getenv("NATS_USER"), pass: os.Getenv("NATS_PASSWORD"), token: os.Getenv("NATS_TOKEN")}
	flags := flag.NewFlagSet("ssefleet", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	o.natsFlags(flags)
	if len(args) > 0 {
		switch args[0] {
		case "status":
			o.command, args = args[0], args[1:]
			flags.BoolVar(&o.json, "json", false, "")
			flags.DurationVar(&o.ttl, "ttl", fleet.DefaultLeaseTTL, "")
		case "position":
			if len(args) == 1 {
				return nil, errors.New("position get, set, reset or export")
			}
			o.command, args = args[0]+" "+args[1], args[2:]
		case "reopen", "forget":
			o.command, args = args[0], args[1:]
		}
	}
	if o.command == "" {
		o.memberFlags(flags)
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.args = flags.Args()
	if err := o.checkNATS(); err != nil {
		return nil, err
	}
	if o.command != "" {
		return o, o.checkCommand()
	}
	return o, o.checkMember()
}

// operands are how many each command takes.
var operands = map[string]int{
	"status": 0, "position get": 1, "position set": 2, "position reset": 1, "position export": 0, "reopen": 1, "forget": 1,
}

func (o *options) checkCommand() error {
	n, ok := operands[o.command]
	switch {
	case !ok:
		return errors.New("position get, set, reset or export")
	case len(o.args) != n && n == 0:
		return fmt.Errorf("%s takes flags only", o.command)
	case len(o.args) != n && n == 1:
		return fmt.Errorf("%s takes one STREAM, after the flags", o.command)
	case len(o.args) != n:
		return fmt.Errorf("%s takes a STREAM and an ID, after the flags", o.command)
	}
	return nil
}

func (o *options) checkMember() error {
	switch {
	case len(o.args) > 1:
		return errors.New("one FILE, after the flags")
	case o.demo && len(o.args) > 0:
		return errors.New("-demo and a FILE exclude each other")
	case !o.demo && len(o.args) == 0:
		return errors.New("a FILE with URLs is missing")
	case o.idle < 0:
		return errors.New("-idle cannot be negative")
	case o.drain < 0:
		return errors.New("-drain cannot be negative")
	case o.ttl < 100*time.Millisecond:
		return errors.New("-ttl is at least 100ms")
	case o.commitEvents < 0 || o.commitInterval < 0:
		return errors.New("-commit-events and -commit-interval cannot be negative")
	case o.replicas < 1 || o.replicas > 5:
		return errors.New("-replicas is 1 to 5")
	case o.attempts < 0:
		return errors.New("-attempts cannot be negative")
	case o.deadLetter != "" && o.attempts == 0:
		return errors.New("-dead-letter needs -attempts")
	case o.pprof && o.http == "":
		return errors.New("-pprof needs -http")
	case o.logFormat != "text" && o.logFormat != "json":
		return errors.New("-log is text or json")
	}
	if len(o.args) > 0 {
		o.file = o.args[0]
	}
	if o.output != "" {
		if _, err := parseOutput(o.output); err != nil {
			return fmt.Errorf("-output: %w", err)
		}
	}
	if o.named = o.member != ""; !o.named {
		host, err := os.Hostname()
		if err != nil {
			return err
		}
		o.member = fmt.Sprintf("%s-%s", host, rand.Text()[:8])
	}
	return nil
}

// checkNATS checks how NATS is to be reached.
func (o *options) checkNATS() error {
	for url := range strings.SplitSeq(o.nats, ",") {
		if o.nats != "" && !validNATS(url) {
			return errors.New("-nats: a URL is nats://host:port, tls://…, ws://… or wss://…")
		}
	}
	auth := 0
	for _, is := range []bool{o.creds != "", o.nkey != "", o.user != "", o.token != ""} {
		if is && o.nats != "" {
			auth++
		}
	}
	switch {
	case o.nats == "" && (o.creds != "" || o.nkey != "" || o.jwt != "" || o.ca != "" || o.cert != "" || o.key != "" || o.domain != ""):
		return errors.New("-creds, -nkey, -jwt, -ca, -cert, -key and -domain need -nats")
	case o.jwt != "" && o.nkey == "":
		return errors.New("-jwt needs -nkey, the seed that belongs to it")
	case (o.cert == "") != (o.key == ""):
		return errors.New("-cert and -key belong together")
	case auth > 1:
		return errors.New("only one of -creds, -nkey, NATS_USER and NATS_TOKEN")
	}
	return nil
}
