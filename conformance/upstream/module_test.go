package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A module is a program whose tests are run.
type module struct {
	path, version string
	sum           string // of its zip file, as in go.sum
}

// unpack copies dirs of m, all of it if there are none, to a directory of its own.
func (m module) unpack(t *testing.T, dirs ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", m.path+"@"+m.version)
	cmd.Dir = t.TempDir() // outside of any module
	out, err := cmd.Output()
	var got struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &got); got.Error != "" || jsonErr != nil {
		t.Skipf("%s@%s cannot be downloaded: %s", m.path, m.version, got.Error)
	}
	require.NoError(t, err)
	require.Equal(t, m.sum, got.Sum)
	to := t.TempDir()
	copyDir(t, to, got.Dir, "go.mod", "go.sum")
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	for _, dir := range dirs {
		copyDir(t, to, got.Dir, dir)
	}
	return to
}

// copyDir copies what is at names of from to the directory to. What the module cache has
// cannot be written; the copy can.
func copyDir(t *testing.T, to, from string, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, filepath.WalkDir(filepath.Join(from, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, rel)
			if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(target, b, 0o600)
		}))
	}
}

// replace edits the go.mod file in dir: it requires package sse, which is that of this tree,
// and replaces other modules by directories.
func replace(t *testing.T, dir string, others map[string]string) {
	t.Helper()
	const sse = "github.com/lastevent/sse"
	args := []string{"mod", "edit", "-require=" + sse + "@v0.0.0", "-replace=" + sse + "=" + abs(t, "../..")}
	for path, at := range others {
		args = append(args, "-replace="+path+"="+at)
	}
	run(t, dir, args...)
}

func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	return path
}

// run runs the go command in dir, and returns what it prints.
func run(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && args[0] == "test") {
		t.Fatalf("go %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	if bytes.Contains(stderr.Bytes(), []byte("dial tcp")) {
		t.Skipf("the modules that it requires cannot be downloaded: %s", &stderr)
	}
	return out
}

// results are the names of tests, by what became of them: pass, fail or skip.
type results map[string][]string

// test runs the tests of packages in dir. A package that does not compile, and any output
// behind a failure, is shown.
func test(t *testing.T, dir string, packages ...string) results {
	t.Helper()
	out := run(t, dir, append([]string{"test", "-json", "-timeout", "2m", "-vet=off"}, packages...)...)
	all, output := results{}, map[string]string{}
	for line := range bytes.Lines(out) {
		var ev struct{ Action, Package, Test, Output string }
		if err := json.Unmarshal(line, &ev); err != nil {
			t.Fatalf("go test: %s", line)
		}
		name := filepath.Base(ev.Package)
		if ev.Test != "" {
			name += "." + ev.Test
		}
		switch ev.Action {
		case "output", "build-output":
			output[name] += ev.Output
		case "pass", "fail", "skip":
			if ev.Test != "" {
				all[ev.Action] = append(all[ev.Action], name)
			}
			if ev.Action == "fail" {
				t.Logf("%s: %s", name, output[name])
			}
		case "build-fail":
			t.Fatalf("%s", slices.Collect(maps.Values(output)))
		}
	}
	return all
}

// check requires that of n tests exactly the known ones have failed, and the others passed.
func (r results) check(t *testing.T, n int, known map[string]string) {
	t.Helper()
	for name, why := range known {
		t.Logf("%s fails: %s", name, why)
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(known)), r["fail"])
	require.Empty(t, r["skip"])
	require.Equal(t, n, len(r["pass"])+len(r["fail"]))
}
