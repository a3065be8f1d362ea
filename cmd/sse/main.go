// Command sse is curl for event streams: it prints the events of a stream as they come, and
// keeps the stream alive. It reconnects after drops and resumes where it was. Its help page,
// sse -h, tells the rest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/lastevent/sse/cmd/sse/internal/check"
)

// Exit codes.
const (
	exitEnded       = 0 // the stream ended, or -n or -until was reached, or nobody reads the output
	exitBroken      = 1 // it was refused, or broke for good
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	ignoreBrokenPipes()
	cmd := command{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		colors: isTerminal(os.Stdout) && wantsColors(), faint: isTerminal(os.Stderr) && wantsColors(),
		live:      isTerminal(os.Stderr),
		transport: http.DefaultTransport.(*http.Transport),
	}
	os.Exit(cmd.run(ctx, os.Args[1:]))
}

// command is what the command needs of its surroundings.
type command struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	colors         bool // on stdout
	faint          bool // what -v says on stderr
	live           bool // whether stderr shows a line that changes
	transport      *http.Transport
}

// run runs the command and returns its exit code.
func (cmd *command) run(ctx context.Context, args []string) int {
	if len(args) > 0 && args[0] == "check" {
		return check.Main(args[1:], cmd.stdout, cmd.stderr)
	}
	o, err := parse(args, cmd.stdin)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(cmd.stdout, help)
		return exitEnded
	case err != nil:
		fmt.Fprintf(cmd.stderr, "sse: %v\nsse -h tells how it is used.\n", err)
		return exitUsage
	case o.demo:
		err = cmd.runDemo(ctx)
	default:
		err = cmd.tail(ctx, o)
	}
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, syscall.EPIPE):
		return exitEnded
	case err != nil:
		fmt.Fprintln(cmd.stderr, err)
		return exitBroken
	}
	return exitEnded
}
