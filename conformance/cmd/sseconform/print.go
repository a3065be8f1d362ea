package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/lastevent/sse/conformance/internal/conform"
	"github.com/lastevent/sse/internal/suite"
)

// Limits for what is printed of a failure.
const (
	maxText  = 300 // bytes of one line
	maxLines = 30  // lines of one response
	maxShown = 20  // events or requests
)

// A printer prints the results for a person.
type printer struct {
	w        io.Writer
	known    expected
	verbose  bool
	surprise int // results that -expect contradicts, and failures that it does not list
}

// verdict returns how a result is printed, and whether it makes the run fail.
func (p *printer) verdict(r *conform.Result) (word string, bad bool) {
	_, known := p.known[r.ID]
	switch {
	case r.Passed && known:
		return "NEW PASS", true
	case r.Passed:
		return "pass", false
	case known:
		return "known", false
	case r.Level == suite.May:
		return "differs", false
	default:
		return "FAIL", true
	}
}

// result prints a result, if it is of interest.
func (p *printer) result(r conform.Result) {
	word, bad := p.verdict(&r)
	if bad {
		p.surprise++
	}
	if !bad && !p.verbose {
		return
	}
	fmt.Fprintf(p.w, "%s %s %s: %s\n", word, r.Level, r.ID, printable(r.Name))
	switch {
	case word == "NEW PASS":
		fmt.Fprintf(p.w, "    -expect lists it as a known failure: %s\n", printable(p.known[r.ID]))
	case word == "known":
		fmt.Fprintf(p.w, "    %s\n", printable(p.known[r.ID]))
	case !r.Passed:
		p.failure(&r)
	}
}

// failure explains a failure.
func (p *printer) failure(r *conform.Result) {
	fmt.Fprintf(p.w, "    %s\n    %s: %s\n    %s\n", clip(printable(r.Fault)), r.Clause.Standard, r.Clause.Rule, r.Clause.URL)
	for i, sent := range r.Sent {
		fmt.Fprintf(p.w, "    sent, response %d:\n", i+1)
		p.lines(strings.SplitAfter(sent, "\n"), strconv.Quote)
	}
	p.events("expected", r.Expected)
	p.events("got", r.Got)
	fmt.Fprintln(p.w, "    requests:")
	p.lines(r.Requests, printable)
}

func (p *printer) events(title string, events []suite.Event) {
	lines := make([]string, len(events))
	for i, ev := range events {
		lines[i] = fmt.Sprintf("type %q, data %q, ID %q", ev.Type, ev.Data, ev.LastEventID)
	}
	fmt.Fprintf(p.w, "    %s:\n", title)
	p.lines(lines, printable)
}

func (p *printer) lines(lines []string, show func(string) string) {
	for i, line := range lines {
		if i == maxLines {
			fmt.Fprintf(p.w, "        and %d more\n", len(lines)-i)
			return
		}
		if line != "" {
			fmt.Fprintf(p.w, "        %s\n", clip(show(line)))
		}
	}
	if len(lines) == 0 {
		fmt.Fprintln(p.w, "        none")
	}
}

// clip shortens a line.
func clip(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

// printable returns s with an escape in place of everything that could act on a terminal: it
// may come from the client under test.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`, "\x1b", `\x1b`).Replace(strings.ToValidUTF8(s, "\ufffd")))
}

// A tally counts the results of a chapter and a level.
type tally struct{ Passed, All int }

func (t tally) String() string {
	if t.All == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", t.Passed, t.All)
}

// count returns the tallies by chapter, "" for all, and level.
func count(results []conform.Result) map[string]map[string]tally {
	all := map[string]map[string]tally{"": {}}
	for _, r := range results {
		for _, chapter := range []string{"", r.Chapter} {
			if all[chapter] == nil {
				all[chapter] = make(map[string]tally)
			}
			t := all[chapter][r.Level]
			t.All++
			if r.Passed {
				t.Passed++
			}
			all[chapter][r.Level] = t
		}
	}
	return all
}

// summary prints the table, and reports whether the client has passed.
func (p *printer) summary(results []conform.Result, took time.Duration) bool {
	counts := count(results)
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	row := func(title string, c map[string]tally) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", title, c[suite.Must], c[suite.Should], c[suite.May])
	}
	fmt.Fprintf(t, "chapter\t%s\t%s\t%s\n", suite.Must, suite.Should, suite.May)
	for _, chapter := range suite.Chapters {
		if c := counts[chapter]; c != nil {
			row(chapter, c)
		}
	}
	row("all", counts[""])
	_ = t.Flush()
	known := 0
	for i := range results {
		if _, is := p.known[results[i].ID]; is && !results[i].Passed {
			known++
		}
	}
	verdict := "passed"
	if p.surprise > 0 {
		verdict = fmt.Sprintf("failed: %d results are not as expected", p.surprise)
	}
	fmt.Fprintf(p.w, "edition %s, %d scenarios in %.1f s, %d known failures: %s\n", suite.Edition, len(results), took.Seconds(), known, verdict)
	return p.surprise == 0
}
