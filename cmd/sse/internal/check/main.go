// Package check is sse check: it says why a stream does not stream.
//
// It makes connections beside each other that differ in one thing, notes when each event
// arrives, and compares. Its report has findings with their evidence, likely cause and fix,
// and lists what could not be verified.
package check

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/term"
)

// Exit codes.
const (
	exitClean       = 0
	exitProblems    = 1
	exitUsage       = 2 // also: nothing was reached
	exitInterrupted = 130
)

// Main runs the command with the arguments after "check", and returns its exit code.
func Main(args []string, stdout, stderr *term.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills
	o, err := parse(args, os.Stdin)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitClean
	case err != nil:
		fmt.Fprintf(stderr, "sse check: %s\nRun 'sse check -h' for usage.\n", safe(err.Error()))
		return exitUsage
	}
	start := time.Now()
	c := &checker{options: o, epoch: start, report: &Report{Skipped: o.skip}, progress: progress(stderr)}
	err = c.run(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "sse check: %s\n", safe(err.Error()))
		return exitUsage
	}
	c.report.Milliseconds = time.Since(start).Milliseconds()
	c.report.Interrupted = ctx.Err() != nil
	c.report.finish()
	if o.json {
		err = c.report.writeJSON(stdout)
	} else {
		err = c.report.writeText(stdout)
	}
	switch {
	case errors.Is(err, syscall.EPIPE):
		return exitClean
	case err != nil:
		fmt.Fprintf(stderr, "sse check: %s\n", safe(err.Error()))
		return exitUsage
	case c.report.Interrupted:
		return exitInterrupted
	case c.report.count(Problem) > 0:
		return exitProblems
	}
	return exitClean
}

// progress returns what says on a terminal what the check is doing.
func progress(stderr *term.Writer) func(format string, args ...any) {
	if !stderr.IsTerminal() {
		return func(string, ...any) {}
	}
	return func(format string, args ...any) {
		fmt.Fprintf(stderr, stderr.Own(eraseLine)+format, args...)
	}
}
