// Command sseconform plays the scenarios of the conformance suite to a client of
// server-sent events, in any language:
//
//	sseconform -- COMMAND ARGS…
//
// The command is started for each scenario, with a URL as its last argument. It opens the
// event stream, and prints what it sees, one JSON object a line. docs/conformance-suite.md
// has the protocol.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/lastevent/sse/conformance/internal/conform"
	"github.com/lastevent/sse/internal/suite"
)

const usage = `sseconform plays the scenarios of the conformance suite to a client of server-sent events.

	sseconform [flags] -- COMMAND ARGS…        start the command for each scenario
	sseconform [flags] -server -- COMMAND …    start it once, with a URL a line on its standard input
	sseconform [flags] -contract URL           drive a service of LaunchDarkly's contract tests
	sseconform -list [flags]                   print the IDs of the scenarios
	sseconform -cases                          print the whole edition as JSON
	sseconform -matrix FILE RESULTS…           make a page of the results of several clients

The exit status is 0 if every MUST and SHOULD passed, except for those that -expect lists; 1 if not; 2 for wrong usage.

`

// config is the command line.
type config struct {
	server   bool
	contract string
	run      string
	skip     string
	tags     string
	expect   string
	json     string
	junit    string
	matrix   string
	client   string
	list     bool
	cases    bool
	verbose  bool
	parallel int
	slow     float64
	cuts     string
	args     []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command runs the program until ctx is done, and returns its exit status.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c config
	fs := flag.NewFlagSet("sseconform", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	fs.BoolVar(&c.server, "server", false, "start the command once, and write the URLs to its standard input")
	fs.StringVar(&c.contract, "contract", "", "drive the contract test service at this `URL`")
	fs.StringVar(&c.run, "run", "", "play only the scenarios whose ID this regular `expression` matches")
	fs.StringVar(&c.skip, "skip", "", "leave out the scenarios whose ID this regular `expression` matches")
	fs.StringVar(&c.tags, "tags", "", "play only the scenarios that have one of these comma-separated `tags`; a level is a tag")
	fs.StringVar(&c.expect, "expect", "", "a `file` of known failures, an ID and a reason a line")
	fs.StringVar(&c.json, "json", "", "write the results to this `file`, - for the standard output")
	fs.StringVar(&c.junit, "junit", "", "write the results to this `file` in the JUnit format")
	fs.StringVar(&c.matrix, "matrix", "", "write a page with the results in the files that the arguments name to this `file`")
	fs.StringVar(&c.client, "client", "", "the client's `name` and version for the results; by default the command")
	fs.BoolVar(&c.list, "list", false, "print the IDs of the scenarios, and play none")
	fs.BoolVar(&c.cases, "cases", false, "print all cases and clauses of the edition as JSON")
	fs.BoolVar(&c.verbose, "v", false, "print each scenario as it ends")
	fs.IntVar(&c.parallel, "parallel", 8*runtime.GOMAXPROCS(0), "play up to `n` scenarios at the same time")
	fs.Float64Var(&c.slow, "slow", 1, "multiply all time limits and pauses by this `factor`")
	fs.StringVar(&c.cuts, "cuts", "whole", "`how` streams without cuts of their own are sent: whole, or as bytes")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	c.args = fs.Args()
	passed, err := c.do(ctx, stdout)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "sseconform:", err)
		return 2
	case !passed:
		return 1
	}
	return 0
}

// check finds wrong usage before anything is started.
func (c *config) check() error {
	clients := 0
	for _, is := range []bool{c.contract != "", c.matrix != "", c.list, c.cases} {
		if is {
			clients++
		}
	}
	switch {
	case clients > 1:
		return errors.New("-contract, -matrix, -list and -cases exclude each other")
	case c.server && clients > 0:
		return errors.New("-server goes with a command only")
	case c.matrix != "" && len(c.args) == 0:
		return errors.New("-matrix needs the files that -json has written")
	case c.matrix == "" && clients == 1 && len(c.args) > 0:
		return fmt.Errorf("there is no use for %q", c.args[0])
	case clients == 0 && len(c.args) == 0:
		return errors.New("there is no command; -h shows the usage")
	case c.parallel < 1:
		return errors.New("-parallel must be at least 1")
	case !(c.slow > 0 && c.slow <= 1000):
		return errors.New("-slow must be above 0, and at most 1000")
	case c.cuts != "whole" && c.cuts != "bytes":
		return errors.New("-cuts must be whole or bytes")
	}
	return nil
}

// do does what the command line asks for, and reports whether the client has passed.
func (c *config) do(ctx context.Context, stdout io.Writer) (bool, error) {
	if err := c.check(); err != nil {
		return false, err
	}
	if c.matrix != "" {
		return true, writeMatrix(c.matrix, c.args)
	}
	all, clauses, err := suite.Load()
	if err != nil {
		return false, err
	}
	if c.cases {
		return true, printCases(stdout, all, clauses)
	}
	cases, err := choose(all, c.run, c.skip, c.tags)
	if err != nil {
		return false, err
	}
	if c.list {
		for i := range cases {
			fmt.Fprintf(stdout, "%-6s %s: %s\n", cases[i].Level, cases[i].ID, printable(cases[i].Name))
		}
		return true, nil
	}
	known, err := readExpected(c.expect, all)
	if err != nil {
		return false, err
	}
	client, err := c.open()
	if err != nil {
		return false, err
	}
	defer client.Close()
	text := stdout
	if c.json == "-" {
		text = io.Discard
	}
	out := &printer{w: text, known: known, verbose: c.verbose}
	start := time.Now()
	results, err := conform.Run(ctx, client, cases, clauses, conform.Options{
		Parallel: c.parallel, Slow: c.slow, Bytes: c.cuts == "bytes", Done: out.result,
	})
	if err != nil {
		return false, err
	}
	passed := out.summary(results, time.Since(start))
	return passed, c.write(stdout, results, start)
}

// open returns the client under test.
func (c *config) open() (conform.Client, error) {
	switch {
	case c.contract != "":
		return conform.NewContract(c.contract)
	case c.server:
		return conform.NewServerMode(c.args)
	default:
		return conform.Command(c.args), nil
	}
}

// name returns the client's name for the results.
func (c *config) name() string {
	switch {
	case c.client != "":
		return c.client
	case c.contract != "":
		return c.contract
	default:
		return strings.Join(append([]string{filepath.Base(c.args[0])}, c.args[1:]...), " ")
	}
}
