package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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

// tryPackage tries mutants of p, and calls done with the verdict of each.
func tryPackage(ctx context.Context, p *goPackage, all []*goPackage, todo []mutant, work string, out io.Writer, done func(mutant, verdict)) error {
	if ctx.Err() != nil {
		for _, m := range todo {
			done(m, untried)
		}
		return nil
	}
	t := &trial{dir: work, pkg: p, out: out}
	for _, q := range testedBy(p, all) {
		s, err := t.measure(ctx, q)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		t.suites = append(t.suites, s)
	}
	var together, apart []mutant
	for _, m := range todo {
		if m.fn != nil && m.fn.call != "" {
			together = append(together, m)
		} else {
			apart = append(apart, m)
		}
	}
	if len(together) < few {
		together, apart = nil, todo
	}
	if len(together) > 0 && ctx.Err() == nil {
		// The functions in their order, for combine, and then the mutants as they came.
		order := slices.Clone(together)
		slices.SortStableFunc(together, func(a, b mutant) int { return a.from - b.from })
		alive, err := t.combined(ctx, together)
		if err != nil {
			return err
		}
		for _, m := range order {
			i := slices.IndexFunc(together, func(n mutant) bool { return n == m })
			if ctx.Err() != nil {
				done(m, untried)
			} else if !alive[i] {
				done(m, invalid)
			} else if v, err := t.choose(ctx, i, m); err != nil {
				return err
			} else {
				done(m, v)
			}
		}
	} else if len(together) > 0 {
		apart = todo
	}
	for _, m := range apart {
		v, err := t.alone(ctx, m, func(s *suite) []phase { return s.phases })
		if err != nil {
			return err
		}
		done(m, v)
	}
	return nil
}

// A trial is what is needed to try the mutants of one package.
type trial struct {
	dir    string // for files and programs
	out    io.Writer
	pkg    *goPackage
	suites []*suite
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
		if err := t.write(overlay, "all", files); err != nil {
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
func (t *trial) choose(ctx context.Context, i int, m mutant) (verdict, error) {
	overlay := filepath.Join(t.dir, "all.json")
	shaky := false
	for n, s := range t.suites {
		for _, f := range s.phases {
			f.tests = slices.DeleteFunc(slices.Clone(f.tests), func(name string) bool { return slices.Contains(s.shaky, name) })
			if v, err := s.try(ctx, t.combinedBinary(n), t.environment(overlay, i+1), f); err != nil || v != survived {
				return v, err
			}
		}
		shaky = shaky || len(s.shaky) > 0
	}
	if !shaky {
		return survived, nil
	}
	v, err := t.alone(ctx, m, func(s *suite) (phases []phase) {
		for _, f := range s.phases {
			f.tests = slices.DeleteFunc(slices.Clone(f.tests), func(name string) bool { return !slices.Contains(s.shaky, name) })
			phases = append(phases, f)
		}
		return phases
	})
	if v == invalid {
		v = survived // its file needs the function for an import, say
	}
	return v, err
}

// alone builds the tests with one mutant, and runs some of them.
func (t *trial) alone(ctx context.Context, m mutant, phases func(*suite) []phase) (verdict, error) {
	overlay, binary := filepath.Join(t.dir, "one.json"), filepath.Join(t.dir, "one.test")
	if err := t.write(overlay, "one", map[string]string{m.path: m.mutated()}); err != nil {
		return 0, err
	}
	for _, s := range t.suites {
		if ctx.Err() != nil {
			return untried, nil
		}
		if out, err := t.build(s.goPackage, overlay, binary); err != nil {
			if strings.Contains(out, "# "+t.pkg.ImportPath) {
				return invalid, nil
			}
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		for _, f := range phases(s) {
			if v, err := s.try(ctx, binary, t.environment(overlay, 0), f); err != nil || v != survived {
				return v, err
			}
		}
	}
	if ctx.Err() != nil {
		return untried, nil
	}
	return survived, nil
}

// write writes files into a directory, and an overlay that puts them in their places.
func (t *trial) write(overlay, dir string, files map[string]string) error {
	dir = filepath.Join(t.dir, dir)
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
