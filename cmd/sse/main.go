// Command sse prints the events of an event stream as they come, and keeps the stream
// alive: it reconnects after drops and resumes where it was.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/lastevent/sse"
)

const usage = `Usage:
  sse [flags] URL    print the events of a stream as they come, across reconnections
  sse -demo          watch a stream survive a bad server, in five seconds

Flags:
`

// Exit codes.
const (
	exitEnded       = 0 // the stream ended, or -n was reached
	exitBroken      = 1 // it was refused, or broke for good
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	cmd := command{stdout: os.Stdout, stderr: os.Stderr, client: http.DefaultClient}
	os.Exit(cmd.run(ctx, os.Args[1:]))
}

// command is what the command needs of its surroundings.
type command struct {
	stdout, stderr io.Writer
	client         *http.Client

	header  http.Header
	max     int
	json    bool
	verbose bool
}

// run runs the command and returns its exit code.
func (cmd *command) run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("sse", flag.ContinueOnError)
	flags.SetOutput(cmd.stderr)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	cmd.header = make(http.Header)
	flags.Func("H", "add a request header, as `'Name: value'`; may be repeated", cmd.addHeader)
	id := flags.String("id", "", "resume after the event with this `ID`")
	flags.IntVar(&cmd.max, "n", 0, "end after this `number` of events; 0: never")
	flags.BoolVar(&cmd.json, "json", false, "print one JSON object a line: type, data, id")
	flags.BoolVar(&cmd.verbose, "v", false, "show connections, comments and drops on stderr")
	demo := flags.Bool("demo", false, "run an embedded server that misbehaves, and tail it")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitEnded
	case err != nil:
		return exitUsage
	}

	var err error
	switch {
	case *demo && flags.NArg() == 0:
		err = runDemo(ctx, cmd.stdout)
	case !*demo && flags.NArg() == 1:
		if *id != "" {
			cmd.header.Set("Last-Event-ID", *id)
		}
		err = cmd.tail(ctx, flags.Arg(0))
	default:
		flags.Usage()
		return exitUsage
	}
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(cmd.stderr, err)
		return exitBroken
	}
	return exitEnded
}

func (cmd *command) addHeader(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok || strings.TrimSpace(name) == "" {
		return errors.New("want 'Name: value'")
	}
	cmd.header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	return nil
}

// tail prints the events at url until the stream ends.
func (cmd *command) tail(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header = cmd.header
	if host := cmd.header.Get("Host"); host != "" {
		req.Host = host // net/http takes it from here alone
	}
	client := sse.Client{HTTPClient: cmd.client}
	if cmd.verbose {
		client.Trace = cmd.trace()
	}
	var line []byte
	n := 0
	for ev, err := range client.Events(req) {
		if err != nil {
			return err
		}
		if line, err = cmd.appendEvent(line[:0], ev); err != nil {
			return err
		}
		if _, err := cmd.stdout.Write(line); err != nil {
			return err
		}
		if n++; n == cmd.max {
			break
		}
	}
	return nil
}

// appendEvent appends what is printed for ev.
func (cmd *command) appendEvent(b []byte, ev sse.Event) ([]byte, error) {
	if !cmd.json {
		return ev.AppendText(b)
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Type string `json:"type"`
		Data string `json:"data"`
		ID   string `json:"id"`
	}{ev.Type, ev.Data, ev.LastEventID})
	return append(b, out.String()...), err
}

// trace tells on stderr what the stream does.
func (cmd *command) trace() *sse.Trace {
	say := func(format string, args ...any) { fmt.Fprintf(cmd.stderr, "* "+format+"\n", args...) }
	return &sse.Trace{
		Connect: func(r *http.Request) {
			say("connect %s%s", r.URL.Redacted(), resuming(r.Header.Get("Last-Event-ID")))
		},
		Open:    func(r *http.Response) { say("open, %s %s", r.Proto, r.Status) },
		Comment: func(text string) { say("comment:%s", text) },
		Disconnect: func(info sse.DisconnectInfo) {
			switch {
			case info.Reconnect:
				say("disconnect: %v; again in %s%s", info.Err, info.Delay.Round(time.Millisecond), resuming(info.LastEventID))
			case info.Err != nil:
				say("disconnect: %v", info.Err)
			default:
				say("disconnect")
			}
		},
	}
}

func resuming(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf(" after %q", id)
}
