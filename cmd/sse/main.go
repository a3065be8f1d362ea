// Command sse is curl for event streams: it prints the events of a stream as they come, and
// keeps the stream alive. It reconnects after drops and resumes where it was. Its help page,
// sse -h, shows how to use it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check"
	"github.com/lastevent/sse/cmd/sse/internal/secret"
	"github.com/lastevent/sse/cmd/sse/internal/term"
)

// Exit codes.
const (
	exitEnded       = 0 // the stream ended, or -n or -until was reached, or nobody reads the output
	exitBroken      = 1 // a stream was refused, or broke for good
	exitUsage       = 2
	exitMaxTime     = 28 // as curl's
	exitHangup      = 129
	exitInterrupted = 130
	exitTerminated  = 143
)

// subcommands returns what may stand first in place of flags and URLs.
func subcommands() map[string]func(ctx context.Context, cmd *command, args []string) int {
	return map[string]func(ctx context.Context, cmd *command, args []string) int{
		"check": func(_ context.Context, cmd *command, args []string) int {
			return check.Main(args, cmd.stdout, cmd.stderr)
		},
		"completion": func(_ context.Context, cmd *command, args []string) int { return cmd.completion(args) },
		"record":     func(ctx context.Context, cmd *command, args []string) int { return cmd.record(ctx, args) },
		"replay":     func(ctx context.Context, cmd *command, args []string) int { return cmd.replay(ctx, args) },
	}
}

// stopGrace is how long a signal waits for the command to end: a write to a pipe that
// nobody empties may take for ever.
const stopGrace = time.Second

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, stopSignals()...)
	go func() {
		sig := &stopped{<-signals}
		signal.Stop(signals) // a second signal kills
		cancel(sig)
		time.Sleep(stopGrace)
		os.Exit(sig.code())
	}()
	ignoreBrokenPipes()
	cmd := command{
		stdin: os.Stdin, stdout: term.New(os.Stdout), stderr: term.New(os.Stderr),
		transport: http.DefaultTransport.(*http.Transport),
	}
	log.SetOutput(cmd.stderr) // net/http quotes what servers send
	os.Exit(cmd.run(ctx, os.Args[1:]))
}

// stopped is the cause of a context that a signal ended.
type stopped struct{ os.Signal }

func (s *stopped) Error() string { return s.String() }

func (s *stopped) code() int {
	switch s.Signal {
	case os.Interrupt:
		return exitInterrupted
	case syscall.SIGTERM:
		return exitTerminated
	}
	return exitHangup
}

// command is what the command needs of its surroundings.
type command struct {
	stdin          io.Reader
	stdout, stderr *term.Writer
	transport      *http.Transport
}

// run runs the command and returns its exit code.
func (cmd *command) run(ctx context.Context, args []string) int {
	defer cmd.stderr.Flush()
	defer cmd.stdout.Flush()
	if len(args) > 0 {
		if sub, ok := subcommands()[args[0]]; ok {
			return sub(ctx, cmd, args[1:])
		}
	}
	o, err := cmd.parseArgs(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(cmd.stdout, help)
		return exitEnded
	case err != nil:
		return cmd.usage(err)
	case o.version:
		fmt.Fprint(cmd.stdout, version())
		return exitEnded
	case o.demo:
		return cmd.code(ctx, cmd.runDemo(ctx))
	}
	t, err := cmd.newTail(o)
	if err != nil {
		return cmd.usage(err)
	}
	return t.run(ctx)
}

func (cmd *command) usage(err error) int { return cmd.usageOf("sse", err) }

// usageOf reports wrong usage of the command, or of a subcommand.
func (cmd *command) usageOf(name string, err error) int {
	cmd.complain("", err)
	fmt.Fprintf(cmd.stderr, "Run '%s -h' for usage.\n", name)
	return exitUsage
}

// code returns the exit code for the error that a run ended with, and prints the error
// unless it is the user's will.
func (cmd *command) code(ctx context.Context, err error) int {
	if sig := (*stopped)(nil); errors.As(context.Cause(ctx), &sig) {
		return sig.code()
	}
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		return exitEnded
	case errors.Is(err, errMaxTime):
		cmd.complain("", err)
		return exitMaxTime
	}
	cmd.complain("", err)
	return exitBroken
}

// complain prints an error on one line of stderr, with the name of its stream, if any.
func (cmd *command) complain(name string, err error) {
	text := strings.TrimPrefix(err.Error(), "sse: ")
	if name != "" {
		text = name + ": " + text
	}
	fmt.Fprintln(cmd.stderr, cmd.stderr.Paint(term.Red, "sse: "+oneLine(secret.Redact(text, hidden))))
}

// hidden stands in place of a secret in what -v and errors show.
const hidden = "(hidden)"

var lineEnds = strings.NewReplacer("\n", `\n`, "\r", `\r`)

// oneLine keeps text from looking like several lines of ours.
func oneLine(text string) string { return lineEnds.Replace(text) }
