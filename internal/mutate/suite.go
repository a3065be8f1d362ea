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
	phases []phase
	shaky  []string // those that fail in a build that holds all mutants, where none is chosen
}

// A phase is tests that are run together.
type phase struct {
	tests   []string
	silence time.Duration // without a word from one of them, after which it hangs
}

const (
	quick      = 50 * time.Millisecond // a test of the first phase takes this long at most
	minSilence = 3 * time.Second
	silences   = 10 // times as long as the longest test takes without a mutant
	few        = 5  // mutants, and for fewer no program that holds them all is built
)

var errSilence = errors.New("no word for too long")

// measure runs the tests of q without a mutant: they must pass.
func (t *trial) measure(ctx context.Context, q *goPackage) (*suite, error) {
	s := &suite{goPackage: q}
	binary := filepath.Join(t.dir, "unchanged")
	if out, err := t.build(q, "", binary); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	out, err := s.run(ctx, binary, nil, phase{nil, 5 * time.Minute})
	if err != nil {
		return nil, fmt.Errorf("its tests fail without a mutant: %w\n%s", err, failures(out))
	}
	s.phases = phases(out)
	return s, nil
}

// phases returns the tests of a run's output: those that are quick, and the others.
func phases(out string) []phase {
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
	var first, rest phase
	for _, name := range names {
		f := &first
		if took[name] > quick {
			f = &rest
		}
		f.tests = append(f.tests, name)
		f.silence = max(f.silence, minSilence, silences*took[name])
	}
	return slices.DeleteFunc([]phase{first, rest}, func(f phase) bool { return len(f.tests) == 0 })
}

var result = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): (\S+) \((\d+\.\d+)s\)`)

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

// try runs the tests of a phase until one fails.
func (s *suite) try(ctx context.Context, binary string, env []string, f phase) (verdict, error) {
	if len(f.tests) == 0 {
		return survived, nil
	}
	exit := (*exec.ExitError)(nil)
	switch _, err := s.run(ctx, binary, env, f, "-test.failfast", "-test.run", "^("+strings.Join(f.tests, "|")+")$"); {
	case ctx.Err() != nil:
		return untried, nil
	case errors.Is(err, errSilence):
		return hung, nil
	case errors.As(err, &exit):
		return noticed, nil
	case err != nil:
		return 0, err
	}
	return survived, nil
}

// run runs a program of tests, and ends it if it prints nothing for too long.
func (s *suite) run(ctx context.Context, binary string, env []string, f phase, args ...string) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(f.silence, func() { cancel(errSilence) })
	defer silence.Stop()
	cmd := exec.CommandContext(ctx, binary, append([]string{"-test.v", "-test.timeout=0"}, args...)...)
	cmd.Dir, cmd.Env = s.Dir, env
	cmd.WaitDelay = time.Second
	endGroup(cmd)
	var out bytes.Buffer
	cmd.Stdout = writerFunc(func(p []byte) (int, error) {
		silence.Reset(f.silence)
		return out.Write(p)
	})
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return out.String(), err
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
