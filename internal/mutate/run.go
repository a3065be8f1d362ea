package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A goPackage is what go list reports about a package.
type goPackage struct {
	Name, ImportPath, Dir              string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Deps, TestImports, XTestImports    []string
}

func listPackages(module string) ([]*goPackage, error) {
	cmd := exec.Command("go", "list", "-json=Name,ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Deps,TestImports,XTestImports", "./...")
	cmd.Dir, cmd.Stderr = module, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []*goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(goPackage)
		if err := dec.Decode(p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

// testedBy returns the packages whose tests are those of p: its own and, if it is internal
// or belongs to a command, those of the packages that use it.
func testedBy(p *goPackage, all []*goPackage) []*goPackage {
	var by []*goPackage
	if len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 {
		by = append(by, p)
	}
	if path := p.ImportPath + "/"; !strings.Contains(path, "/internal/") && !strings.Contains(path, "/cmd/") {
		return by
	}
	for _, q := range all {
		if q != p && len(q.TestGoFiles)+len(q.XTestGoFiles) > 0 &&
			slices.Contains(slices.Concat(q.Deps, q.TestImports, q.XTestImports), p.ImportPath) {
			by = append(by, q)
		}
	}
	return by
}

// A trial is what is needed to try the mutants of one package.
type trial struct {
	dir    string // for files and programs
	out    io.Writer
	pkg    *goPackage
	skip   string // the tests to leave out, as -test.skip has them
	jobs   int    // mutants that are tried at a time
	suites []*suite

	silence time.Duration // see phase; at least
}

// try tries mutants, and calls done with the verdict of each, and what it was noticed by.
func (t *trial) try(ctx context.Context, pkgs []*goPackage, todo []mutant, done func(m mutant, v verdict, by string)) error {
	if ctx.Err() != nil {
		for _, m := range todo {
			done(m, untried, "")
		}
		return nil
	}
	for _, q := range testedBy(t.pkg, pkgs) {
		s, err := t.measure(ctx, q)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		t.suites = append(t.suites, s)
	}
	number := make(map[string]int) // in the program that holds many mutants, by their keys
	var together []mutant
	for _, m := range todo {
		if m.fn != nil && m.fn.call != "" && m.from >= m.fn.body {
			together = append(together, m)
		}
	}
	if len(together) >= few && ctx.Err() == nil {
		// The functions in their order, for combine, whereas the mutants are tried as they came.
		slices.SortStableFunc(together, func(a, b mutant) int { return a.from - b.from })
		alive, err := t.combined(ctx, together)
		if err != nil {
			return err
		}
		for i, m := range together {
			number[m.key] = 0 // it does not compile
			if alive[i] {
				number[m.key] = i + 1
			}
		}
	}
	one := func(job int, m mutant) (outcome, error) {
		dir := filepath.Join(t.dir, fmt.Sprint("job", job))
		switch n, ok := number[m.key]; {
		case ctx.Err() != nil:
			return outcome{untried, ""}, nil
		case !ok:
			return t.alone(ctx, dir, m, func(s *suite) []phase { return s.phases })
		case n == 0:
			return outcome{invalid, ""}, nil
		default:
			return t.choose(ctx, dir, n, m)
		}
	}
	// A test that is slow since others run beside it is not one that hangs.
	var again []mutant
	err := each(t.jobs, todo, one, func(m mutant, o outcome) {
		if o.verdict == hung && t.jobs > 1 {
			again = append(again, m)
		} else {
			done(m, o.verdict, o.by)
		}
	})
	if err != nil {
		return err
	}
	return each(1, again, one, func(m mutant, o outcome) { done(m, o.verdict, o.by) })
}

// each calls try for mutants, so many at a time, and done with what came of each.
func each(jobs int, todo []mutant, try func(job int, m mutant) (outcome, error), done func(mutant, outcome)) error {
	queue := make(chan mutant)
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for job := range jobs {
		wg.Go(func() {
			for m := range queue {
				o, err := try(job, m)
				mu.Lock()
				if err == nil {
					done(m, o)
				} else {
					errs = append(errs, err)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range todo {
		queue <- m
	}
	close(queue)
	wg.Wait()
	return errors.Join(errs...)
}

// combined builds the tests with all mutants at once. It returns which of them compile.
func (t *trial) combined(ctx context.Context, all []mutant) (alive []bool, err error) {
	alive = make([]bool, len(all))
	for i := range alive {
		alive[i] = true
	}
	overlay := filepath.Join(t.dir, "all.json")
	for {
		files, at := combine(t.pkg.Dir, t.pkg.Name, all, alive)
		if err := t.write(overlay, filepath.Join(t.dir, "all"), files); err != nil {
			return nil, err
		}
		cmd := exec.Command("go", "build", "-gcflags=-e", "-overlay", overlay, "-o", os.DevNull, ".")
		cmd.Dir = t.pkg.Dir
		out, err := cmd.CombinedOutput()
		if err == nil {
			break
		}
		bad := compileErrors(string(out), at)
		if len(bad) == 0 {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		for _, i := range bad {
			alive[i] = false
		}
	}
	for n, s := range t.suites {
		binary := t.combinedBinary(n)
		if out, err := t.build(s.goPackage, overlay, binary); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		out, err := s.run(ctx, binary, t.environment(overlay, 0), phase{nil, time.Minute})
		if err == nil || ctx.Err() != nil {
			continue
		}
		for _, match := range result.FindAllStringSubmatch(out, -1) {
			if match[1] == "FAIL" {
				s.shaky = append(s.shaky, match[2])
			}
		}
		if len(s.shaky) == 0 {
			return nil, fmt.Errorf("the tests fail with all mutants in the program, and none chosen: %w\n%s", err, failures(out))
		}
		fmt.Fprintf(t.out, "%s: run only for what the others do not notice: %s\n", s.ImportPath, strings.Join(s.shaky, ", "))
	}
	return alive, nil
}

func (t *trial) combinedBinary(suite int) string {
	return filepath.Join(t.dir, fmt.Sprint("all", suite))
}

// environment makes the tests choose a mutant, and what they build themselves, too.
func (t *trial) environment(overlay string, number int) []string {
	return append(os.Environ(), fmt.Sprintf("%s=%d", variable, number), "GOFLAGS=-overlay="+overlay)
}

// choose runs the tests of a mutant that the build of all has.
func (t *trial) choose(ctx context.Context, dir string, number int, m mutant) (outcome, error) {
	overlay := filepath.Join(t.dir, "all.json")
	shaky := false
	for n, s := range t.suites {
		for _, f := range s.phases {
			f.tests = slices.DeleteFunc(slices.Clone(f.tests), func(name string) bool { return slices.Contains(s.shaky, name) })
			if o, err := s.try(ctx, t.combinedBinary(n), t.environment(overlay, number), f); err != nil || o.verdict != survived {
				return o, err
			}
		}
		shaky = shaky || len(s.shaky) > 0
	}
	if !shaky {
		return outcome{survived, ""}, nil
	}
	o, err := t.alone(ctx, dir, m, func(s *suite) (phases []phase) {
		for _, f := range s.phases {
			f.tests = slices.DeleteFunc(slices.Clone(f.tests), func(name string) bool { return !slices.Contains(s.shaky, name) })
			phases = append(phases, f)
		}
		return phases
	})
	if o.verdict == invalid {
		o.verdict = survived // its file needs the function for an import, say
	}
	return o, err
}

// alone builds the tests with one mutant, in a directory, and runs some of them.
func (t *trial) alone(ctx context.Context, dir string, m mutant, phases func(*suite) []phase) (outcome, error) {
	overlay, binary := dir+".json", dir+".test"
	if err := t.write(overlay, dir, map[string]string{m.path: m.mutated()}); err != nil {
		return outcome{}, err
	}
	for _, s := range t.suites {
		if ctx.Err() != nil {
			return outcome{untried, ""}, nil
		}
		if out, err := t.build(s.goPackage, overlay, binary); err != nil {
			if strings.Contains(out, "# "+t.pkg.ImportPath) {
				return outcome{invalid, ""}, nil
			}
			return outcome{}, fmt.Errorf("%w: %s", err, out)
		}
		for _, f := range phases(s) {
			if o, err := s.try(ctx, binary, t.environment(overlay, 0), f); err != nil || o.verdict != survived {
				return o, err
			}
		}
	}
	if ctx.Err() != nil {
		return outcome{untried, ""}, nil
	}
	return outcome{survived, ""}, nil
}

// write writes files into a directory, and an overlay that puts them in their places.
func (t *trial) write(overlay, dir string, files map[string]string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	replace := maps.Clone(files)
	for path, text := range files {
		replace[path] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			return err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(overlay, data, 0o600)
}

// build builds the tests of q, with an overlay or without.
func (t *trial) build(q *goPackage, overlay, binary string) (out string, err error) {
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".")
	cmd.Dir = q.Dir
	b, err := cmd.CombinedOutput()
	return string(b), err
}
