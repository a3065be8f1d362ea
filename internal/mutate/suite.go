package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A suite is the tests of a package, quick ones and others.
type suite struct {
	*goPackage
	skip   string
	phases []phase
	shaky  []string // those that fail in a build that holds all mutants, where none is chosen
}

// A phase is tests that are run together.
type phase struct {
	tests   []string
	silence time.Duration // without a word from one of them, after which it hangs
}

const (
	silences = 10 // times as long as the longest test takes without a mutant
	few      = 5  // mutants, and for fewer no program that holds them all is built
)

// The phases but the last are of tests that take this long at most.
var phaseTimes = []time.Duration{50 * time.Millisecond, time.Second, 5 * time.Second}

var errSilence = errors.New("no word for too long")

// measure runs the tests of q without a mutant: they must pass.
func (t *trial) measure(ctx context.Context, q *goPackage) (*suite, error) {
	s := &suite{goPackage: q, skip: t.skip}
	binary := filepath.Join(t.dir, "unchanged")
	if out, err := t.build(q, "", binary); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	out, err := s.run(ctx, binary, nil, phase{nil, 5 * time.Minute})
	if err != nil {
		return nil, fmt.Errorf("its tests fail without a mutant: %w\n%s", err, failures(out))
	}
	s.phases = phases(out, t.silence)
	return s, nil
}

// phases returns the tests of a run's output, the quick ones first.
func phases(out string, silence time.Duration) []phase {
	var names []string
	took := make(map[string]time.Duration) // by a test and its subtests: a test's own time leaves out those that run in parallel
	for _, match := range result.FindAllStringSubmatch(out, -1) {
		seconds, _ := strconv.ParseFloat(match[3], 64)
		name, _, subtest := strings.Cut(match[2], "/")
		took[name] = max(took[name], time.Duration(seconds*float64(time.Second)))
		if !subtest {
			names = append(names, name)
		}
	}
	all := make([]phase, len(phaseTimes)+1)
	for _, name := range names {
		i, _ := slices.BinarySearch(phaseTimes, took[name])
		f := &all[i]
		f.tests = append(f.tests, name)
		f.silence = max(f.silence, silence, silences*took[name])
	}
	return slices.DeleteFunc(all, func(f phase) bool { return len(f.tests) == 0 })
}

var result = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): (\S+) \((\d+\.\d+)s\)`)

var started = regexp.MustCompile(`(?m)^=== (?:RUN|CONT) +(\S+)`)

// failures returns the lines of a test's output that say what failed.
func failures(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "FAIL") || strings.Contains(line, "panic") || strings.Contains(line, "goroutines were left") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// An outcome is what came of a mutant, and the names of the tests that noticed it, or what
// else did.
type outcome struct {
	verdict verdict
	by      string
}

// try runs the tests of a phase until one fails. A test that failed is run again, by itself,
// and counts if it fails again: on a busy machine some fail that have noticed nothing.
func (s *suite) try(ctx context.Context, binary string, env []string, f phase) (outcome, error) {
	if len(f.tests) == 0 {
		return outcome{survived, ""}, nil
	}
	const tries = 3
	for n := 1; ; n++ {
		o, err := s.once(ctx, binary, env, f)
		if err != nil || o.verdict != noticed || n == tries {
			return o, err
		}
		failed := f
		if names := topLevel(o.by); len(names) > 0 {
			failed.tests = names
		}
		if again, err := s.once(ctx, binary, env, failed); err != nil || again.verdict != survived {
			return again, err
		}
	}
}

// once runs the tests of a phase until one fails.
func (s *suite) once(ctx context.Context, binary string, env []string, f phase) (outcome, error) {
	exit := (*exec.ExitError)(nil)
	switch out, err := s.run(ctx, binary, env, f, "-test.failfast", "-test.run", "^("+strings.Join(f.tests, "|")+")$"); {
	case ctx.Err() != nil:
		return outcome{untried, ""}, nil
	case errors.Is(err, errSilence):
		return outcome{hung, lastTest(out)}, nil
	case errors.As(err, &exit):
		return outcome{noticed, failedTests(out)}, nil
	case err != nil:
		return outcome{}, err
	}
	return outcome{survived, ""}, nil
}

// topLevel returns the tests in what failedTests or lastTest has returned.
func topLevel(by string) (names []string) {
	for name := range strings.SplitSeq(strings.TrimPrefix(by, "in "), ", ") {
		name, _, _ = strings.Cut(name, "/")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// failedTests returns the tests that failed or, if the program ended before it could say so,
// the last that began.
func failedTests(out string) string {
	var names []string
	for _, match := range result.FindAllStringSubmatch(out, -1) {
		if match[1] == "FAIL" {
			names = append(names, match[2])
		}
	}
	if len(names) == 0 {
		return lastTest(out)
	}
	return strings.Join(names, ", ")
}

func lastTest(out string) string {
	begun := started.FindAllStringSubmatch(out, -1)
	if len(begun) == 0 {
		return ""
	}
	return "in " + begun[len(begun)-1][1]
}

// run runs a program of tests, and ends it if it prints nothing for too long.
func (s *suite) run(ctx context.Context, binary string, env []string, f phase, args ...string) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(f.silence, func() { cancel(errSilence) })
	defer silence.Stop()
	cmd := exec.CommandContext(ctx, binary, append([]string{"-test.v", "-test.timeout=0", "-test.skip", s.skip}, args...)...)
	cmd.Dir, cmd.Env = s.Dir, env
	cmd.WaitDelay = time.Second
	endGroup(cmd)
	out := &output{silence: silence, shortest: f.silence}
	cmd.Stdout, cmd.Stderr = out, out // one goroutine copies both, since they are equal
	err := cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return out.String(), err
}

// An output is what a program prints, and puts the end of its silence off.
type output struct {
	bytes.Buffer
	silence  *time.Timer
	shortest time.Duration
}

func (o *output) Write(p []byte) (int, error) {
	o.silence.Reset(o.shortest)
	return o.Buffer.Write(p)
}
