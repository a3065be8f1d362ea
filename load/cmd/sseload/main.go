// Command sseload opens many event streams on a server, holds them, and measures what the server does:
// how fast it opens them, how promptly and how completely each event reaches all of them, and what
// happens when connections break or the server restarts. Its help page, sseload -h, shows how to use it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/assertion"
	"github.com/lastevent/sse/load/internal/report"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1 // an assertion does not hold
	exitUsage       = 2
	exitNoRun       = 3 // no stream was opened, or a report could not be written
	exitHangup      = 129
	exitInterrupted = 130
	exitTerminated  = 143
)

func main() {
	log.SetOutput(io.Discard) // net/http quotes what servers send
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		sig := <-signals
		signal.Stop(signals) // a second signal kills
		cancel(&stopped{sig})
	}()
	cmd := command{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, columns: columns, plan: theDemo}
	os.Exit(cmd.run(ctx, os.Args[1:]))
}

// columns returns how wide standard error is, or 0 if it is no terminal.
func columns() int {
	fd := int(os.Stderr.Fd())
	if !term.IsTerminal(fd) {
		return 0
	}
	width, _, err := term.GetSize(fd)
	if err != nil || width <= 0 {
		return 80
	}
	return width
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
	stdout, stderr io.Writer
	columns        func() int // of a terminal that shows the live line; 0 if there is none
	plan           demoPlan
}

// run runs the command and returns its exit code.
func (cmd *command) run(ctx context.Context, args []string) int {
	if len(args) > 0 && args[0] == "compare" {
		return cmd.compare(args[1:])
	}
	o, err := cmd.parseArgs(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(cmd.stdout, help)
		return exitOK
	case err != nil:
		return cmd.usage(err)
	case o.version:
		fmt.Fprint(cmd.stdout, version())
		return exitOK
	}
	var d *demo
	if o.demo {
		if d, err = newDemo(ctx, cmd.plan); err != nil {
			return cmd.fail(err)
		}
		defer d.close()
		d.configure(o)
		if !o.quiet && o.json != "-" {
			fmt.Fprint(cmd.stdout, d.introduction(o))
		}
	}
	cfg, err := o.config()
	if err != nil {
		return cmd.usage(err)
	}
	files, err := o.openFiles()
	if err != nil {
		return cmd.usage(err)
	}
	defer files.close()
	return cmd.measure(ctx, o, cfg, files, d)
}

// measure makes the run, shows what it found, and returns the exit code.
func (cmd *command) measure(ctx context.Context, o *options, cfg load.Config, files *files, d *demo) int {
	line := liveLine{w: cmd.stderr, columns: cmd.columns, planned: planned(&cfg)}
	if !o.quiet {
		cfg.Progress = line.show
	}
	r, err := load.Run(ctx, cfg)
	line.erase()
	sig := (*stopped)(nil)
	if r == nil {
		if errors.As(context.Cause(ctx), &sig) {
			return sig.code()
		}
		return cmd.fail(err)
	}
	if d != nil {
		d.correct(r)
	}
	results := check(o.asserts, r)
	if err := cmd.show(o, r, results, d); err != nil {
		return cmd.fail(err)
	}
	if err := files.write(r, results); err != nil {
		return cmd.fail(err)
	}
	switch {
	// Without -for, a signal is how a run ends.
	case cfg.Duration > 0 && errors.As(err, &sig):
		return sig.code()
	case r.Streams.Opened == 0:
		return cmd.fail(errors.New("no stream was opened"))
	}
	for _, a := range results {
		if !a.OK {
			return exitFailed
		}
	}
	return exitOK
}

func check(asserts []assertion.Assertion, r *load.Report) (results []assertion.Result) {
	for _, a := range asserts {
		results = append(results, a.Check(r))
	}
	return results
}

// show prints the report, and what is not as it should be.
func (cmd *command) show(o *options, r *load.Report, results []assertion.Result, d *demo) error {
	if o.json == "-" || o.quiet {
		failures := cmd.stdout
		if o.json == "-" {
			failures = cmd.stderr
		}
		for _, a := range results {
			if !a.OK {
				fmt.Fprintf(failures, "FAIL %s (%s)\n", report.Visible(a.Text), report.Visible(a.Got))
			}
		}
		if o.json == "-" {
			return writeJSON(cmd.stdout, r)
		}
		return nil
	}
	if err := report.Table(cmd.stdout, r, results); err != nil {
		return err
	}
	if d != nil {
		fmt.Fprint(cmd.stdout, d.summary(o, r))
	}
	return nil
}

// fail prints an error that has nothing to do with the arguments.
func (cmd *command) fail(err error) int {
	cmd.complain(err)
	return exitNoRun
}

func (cmd *command) usage(err error) int {
	cmd.complain(err)
	fmt.Fprintln(cmd.stderr, "Run 'sseload -h' for usage.")
	return exitUsage
}

// complain prints an error on one line, which a server may have had a part in.
func (cmd *command) complain(err error) {
	fmt.Fprintln(cmd.stderr, "sseload: "+report.Visible(err.Error()))
}
