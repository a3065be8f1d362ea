// Command mutate breaks the packages of a module in one place at a time, and runs their
// tests against each: a mutant that they do not notice is a test that is missing, or a place
// that does not matter. Run it in the root of the repository:
//
//	go run ./internal/mutate [flags] [file or directory ...]
//
// README.md beside it says how it works.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.module, "C", ".", "the `directory` of the module")
	flag.StringVar(&o.accepted, "accepted", "internal/mutate/accepted.txt", "the `file` of the mutants that may survive")
	flag.StringVar(&o.changed, "changed", "", "only mutants of lines that differ from the `commit`")
	flag.StringVar(&o.at, "at", "", "only mutants whose place begins with `file:line`")
	flag.StringVar(&o.only, "only", "", "only mutants that are in the `file`, which has the form of -accepted")
	flag.IntVar(&o.every, "every", 1, "only one of so `many` mutants of each file, chosen at random and always the same")
	flag.DurationVar(&o.limit, "limit", 0, "stop after this `time`, wherever it is; 0: never")
	flag.IntVar(&o.jobs, "jobs", 1, "how `many` mutants to try at a time: more than processors, where tests mostly wait")
	flag.DurationVar(&o.silence, "silence", 3*time.Second, "the shortest `time` without a word from a test after which it hangs: more on a busy machine")
	flag.StringVar(&o.skip, "skip", "", "leave out the tests whose names match the `expression`, such as one that only one process may run at a time")
	flag.BoolVar(&o.list, "list", false, "list the mutants, and run nothing")
	flag.BoolVar(&o.verbose, "v", false, "print each mutant, and the test that noticed it")
	flag.Parse()
	o.paths, o.out = flag.Args(), os.Stdout
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	module, accepted, changed, at string
	only, skip                    string
	every, jobs                   int
	limit, silence                time.Duration
	list, verbose                 bool
	paths                         []string
	out                           io.Writer
}

// The packages that are not mutated: this one, the slow oracle of the parser, and programs
// that are there to be read.
var left = []string{"/internal/mutate/", "/internal/reference/", "/examples/"}

var errSurvivors = errors.New("there are mutants that the tests do not notice")

func run(o options) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	accepted, err := readAccepted(o.accepted)
	if err != nil {
		return err
	}
	only, err := readAccepted(o.only)
	if err != nil {
		return err
	}
	var changed map[string][]change
	if o.changed != "" {
		if changed, err = changedSince(o.changed); err != nil {
			return err
		}
	}
	pkgs, err := listPackages(o.module)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	ctx := context.Background()
	if o.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.limit)
		defer cancel()
	}

	r := report{out: o.out, files: make(map[string]*counts)}
	known := make(map[string]bool) // all mutants that there are
	for _, p := range pkgs {
		if slices.ContainsFunc(left, func(s string) bool { return strings.Contains(p.ImportPath+"/", s) }) {
			continue
		}
		var todo []mutant
		for _, file := range p.GoFiles {
			path := filepath.Join(p.Dir, file)
			all, err := mutants(path, rel(root, path))
			if err != nil {
				return err
			}
			var chosen []mutant
			for _, m := range all {
				known[m.key] = true
				if o.wants(m, changed[path]) && (o.only == "" || only[m.key]) {
					chosen = append(chosen, m)
				}
			}
			todo = append(todo, sample(chosen, o.every)...)
		}
		if o.list {
			for _, m := range todo {
				fmt.Fprintln(o.out, m)
			}
			continue
		}
		if len(todo) == 0 {
			continue
		}
		if o.limit > 0 { // what comes within the limit is a sample
			shuffle(todo)
		}
		t := &trial{dir: work, pkg: p, out: o.out, skip: o.skip, jobs: max(1, o.jobs), silence: o.silence}
		done := func(m mutant, v verdict, by string) {
			if o.verbose {
				fmt.Fprintf(o.out, "%s: %s %s\n", words[v], m, by)
			}
			r.add(m, v, accepted)
		}
		if err := t.try(ctx, pkgs, todo, done); err != nil {
			return fmt.Errorf("%s: %w", p.ImportPath, err)
		}
	}
	if o.list {
		return nil
	}
	r.print()
	for _, key := range slices.Sorted(maps.Keys(accepted)) {
		if file, _, _ := strings.Cut(key, " "); !known[key] && r.files[file] != nil && changed == nil {
			fmt.Fprintln(o.out, "accepted, but there is no such mutant:", key)
			r.failed = true
		}
	}
	if r.failed {
		return errSurvivors
	}
	return nil
}

// wants reports whether the flags and arguments select m.
func (o options) wants(m mutant, changed []change) bool {
	if o.changed != "" && !slices.ContainsFunc(changed, func(c change) bool { return c.from <= m.line && m.line <= c.to }) {
		return false
	}
	if o.at != "" && !strings.HasPrefix(m.String(), o.at+":") {
		return false
	}
	return len(o.paths) == 0 || slices.ContainsFunc(o.paths, func(p string) bool {
		p = filepath.ToSlash(filepath.Clean(p))
		return m.name == p || strings.HasPrefix(m.name, p+"/") || p == "." && !strings.Contains(m.name, "/")
	})
}

// sample returns one of so many mutants of a file, and at least one, in their order.
func sample(all []mutant, every int) []mutant {
	if every <= 1 || len(all) == 0 {
		return all
	}
	shuffle(all)
	all = all[:(len(all)+every-1)/every]
	slices.SortStableFunc(all, func(a, b mutant) int { return a.from - b.from })
	return all
}

// shuffle is the same each time.
func shuffle(all []mutant) {
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
}

// verdict is what became of a mutant.
type verdict int

const (
	noticed verdict = iota
	hung            // noticed, by a test that printed nothing for too long
	survived
	invalid // it does not compile
	untried // the time was up
)

var words = [...]string{"noticed", "hung", "survived", "invalid", "untried"}

// A report counts verdicts, by file.
type report struct {
	out    io.Writer
	files  map[string]*counts
	failed bool
}

type counts struct{ noticed, hung, accepted, survived, invalid, untried int }

func (r *report) add(m mutant, v verdict, accepted map[string]bool) {
	c := r.files[m.name]
	if c == nil {
		c = new(counts)
		r.files[m.name] = c
	}
	switch v {
	case noticed:
		c.noticed++
	case hung:
		c.hung++
		fmt.Fprintln(r.out, "hung:", m)
	case survived:
		if accepted[m.key] {
			c.accepted++
		} else {
			c.survived++
			r.failed = true
			fmt.Fprintf(r.out, "survived, line %d: %s\n", m.line, m.key)
		}
	case invalid:
		c.invalid++
	case untried:
		c.untried++
	}
	if accepted[m.key] && (v == noticed || v == hung) {
		fmt.Fprintln(r.out, "accepted, but the tests notice it:", m.key)
	}
}

func (r *report) print() {
	const row = "| %s | %v | %v | %v | %v | %v |\n"
	fmt.Fprintf(r.out, row+"|---|--:|--:|--:|--:|--:|\n", "File", "Mutants", "Noticed", "of them hung", "Accepted", "Survived")
	var sum counts
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		c := r.files[name]
		if c.noticed+c.hung+c.accepted+c.survived > 0 {
			c.print(r.out, row, name)
		}
		sum.noticed += c.noticed
		sum.hung += c.hung
		sum.accepted += c.accepted
		sum.survived += c.survived
		sum.invalid += c.invalid
		sum.untried += c.untried
	}
	sum.print(r.out, row, "all")
	fmt.Fprintf(r.out, "%d more do not compile\n", sum.invalid)
	if sum.untried > 0 {
		fmt.Fprintf(r.out, "%d more were not tried: the time was up\n", sum.untried)
	}
}

func (c *counts) print(out io.Writer, row, name string) {
	caught := c.noticed + c.hung
	tried := caught + c.accepted + c.survived
	percent := "–"
	if tried > 0 {
		percent = fmt.Sprintf("%d, %.1f %%", caught, 100*float64(caught)/float64(tried))
	}
	fmt.Fprintf(out, row, name, tried, percent, c.hung, c.accepted, c.survived)
}
