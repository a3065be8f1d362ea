// Command ssefleet runs a member of a fleet: it shares the streams of a list with all other
// members, and writes their events to standard output, to NATS or to a webhook. See the help page.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Reset(os.Interrupt, syscall.SIGTERM) // the second one ends the process
		cancel()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes, as the help page has them.
const (
	exitStopped = iota
	exitBroken
	exitUsage
	exitUnhealthy
)

// errUnhealthy is returned by status, which has printed why.
var errUnhealthy = errors.New("unhealthy")

// run returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	errs := newLossy(stderr)
	defer errs.flush()
	stderr = errs
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return exitStopped
	case err != nil:
		fmt.Fprintf(stderr, "ssefleet: %s (ssefleet -h for help)\n", printable(err.Error(), maxLogged))
		return exitUsage
	case o.command == "":
		err = runMember(ctx, o, stdin, stdout, stderr)
	default:
		err = runCommand(ctx, o, stdout, stderr)
	}
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return exitStopped
	case errors.Is(err, errUnhealthy):
		return exitUnhealthy
	}
	fmt.Fprintln(stderr, "ssefleet:", printable(err.Error(), maxLogged))
	return exitBroken
}
