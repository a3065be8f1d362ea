// Package table writes what the tests saw into conformance/README.md: for each section, a
// table with a row for each suite or server, and the known differences below it.
package table

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A Row is one suite or server under one protocol.
type Row struct {
	suite, version, protocol string

	mu          sync.Mutex
	cases       int
	passed      int
	differences []string
}

var (
	mu      sync.Mutex
	rows    = make(map[[2]string]*Row)
	skipped = make(map[string]bool)
)

// Start begins the row of suite under protocol. Its cases are counted as they run.
func Start(suite, version, protocol string) *Row {
	mu.Lock()
	defer mu.Unlock()
	r := &Row{suite: suite, version: version, protocol: protocol}
	rows[[2]string{suite, protocol}] = r
	return r
}

// Skip skips the test because something that suite needs is missing. The suite's rows stay
// as the last machine that had it left them.
func Skip(t *testing.T, suite, why string) {
	t.Helper()
	mu.Lock()
	skipped[suite] = true
	mu.Unlock()
	t.Skipf("%s: %s", suite, why)
}

// Run runs a case of the row as a subtest, and counts it.
func (r *Row) Run(t *testing.T, name string, f func(t *testing.T)) bool {
	t.Helper()
	passed := t.Run(name, f)
	r.Count(1, passed)
	return passed
}

// Count counts n cases that have run.
func (r *Row) Count(n int, passed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cases += n
	if passed {
		r.passed += n
	}
}

// Differs notes what the other side does on its own account, or where we differ from it.
func (r *Row) Differs(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.differences, what) {
		r.differences = append(r.differences, what)
	}
}

func (r *Row) String() string {
	known := "none"
	if n := len(r.differences); n > 0 {
		known = fmt.Sprintf("%d, below", n)
	}
	return line(r.suite, r.version, r.protocol, fmt.Sprint(r.cases), fmt.Sprint(r.passed), known)
}

func line(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |" }

func bullet(suite, difference string) string { return "- **" + suite + "**: " + difference + "." }

// Main runs the tests of a package and writes its section, unless flags selected some of the
// tests. Its result is for os.Exit.
func Main(m *testing.M, section string) int {
	code := m.Run()
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if flag.Lookup(name).Value.String() != "" {
			return code
		}
	}
	if testing.Short() {
		return code
	}
	_, here, _, _ := runtime.Caller(0)
	if err := update(filepath.Join(filepath.Dir(here), "../../README.md"), section); err != nil {
		fmt.Fprintln(os.Stderr, "the table in README.md:", err)
		code = max(code, 1)
	}
	return code
}

// Write writes a table with columns of its own into a section of README.md. A row is known by its first
// cell; those of the table before that are not among rows stay.
func Write(section string, header []string, rows [][]string) error {
	_, here, _, _ := runtime.Caller(0)
	return edit(filepath.Join(filepath.Dir(here), "../../README.md"), func(text string) (string, error) {
		return replaceRows(text, section, header, rows)
	})
}

func replaceRows(text, section string, header []string, rows [][]string) (string, error) {
	before, old, after, err := cut(text, section)
	if err != nil {
		return "", err
	}
	var lines []string
	for row := range strings.Lines(old) {
		row = strings.TrimSuffix(row, "\n")
		name, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		replaced := slices.ContainsFunc(rows, func(cells []string) bool { return cells[0] == name })
		if !replaced && strings.HasPrefix(row, "| ") && name != header[0] {
			lines = append(lines, row)
		}
	}
	for _, cells := range rows {
		lines = append(lines, line(cells...))
	}
	slices.Sort(lines)
	lines = append([]string{line(header...), "|" + strings.Repeat("---|", len(header))}, lines...)
	return before + strings.Join(lines, "\n") + "\n" + after, nil
}

// cut returns the text of a section, and what precedes and follows it, with the marks.
func cut(text, section string) (before, table, after string, err error) {
	begin, end := "<!-- "+section+" -->\n", "<!-- end of "+section+" -->\n"
	before, rest, ok := strings.Cut(text, begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", "", "", fmt.Errorf("there is no section %q", section)
	}
	return before + begin, table, end + after, nil
}

// update puts the rows into the section's table in file.
func update(file, section string) error {
	return edit(file, func(text string) (string, error) { return replace(text, section) })
}

// edit changes a file. The packages' tests run side by side, so it holds a lock on the file
// meanwhile.
func edit(file string, change func(text string) (string, error)) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := change(string(old))
	if err != nil || bytes.Equal(old, []byte(text)) {
		return err
	}
	if err := f.Truncate(int64(len(text))); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	return err
}

// replace returns text with the section's table made anew.
func replace(text, section string) (string, error) {
	before, table, after, err := cut(text, section)
	if err != nil {
		return "", err
	}
	var lines, bullets []string
	for old := range strings.Lines(table) {
		old = strings.TrimSuffix(old, "\n")
		for suite := range skipped {
			switch {
			case strings.HasPrefix(old, "| "+suite+" | "):
				lines = append(lines, old)
			case strings.HasPrefix(old, "- **"+suite+"**: "):
				bullets = append(bullets, old)
			}
		}
	}
	of := make(map[string]int)            // rows of a suite
	shown := make(map[[2]string][]string) // protocols, by suite and difference
	for _, row := range rows {
		if skipped[row.suite] {
			continue
		}
		lines = append(lines, row.String())
		of[row.suite]++
		for _, d := range row.differences {
			shown[[2]string{row.suite, d}] = append(shown[[2]string{row.suite, d}], row.protocol)
		}
	}
	for key, protocols := range shown {
		suite, difference := key[0], key[1]
		if len(protocols) < of[suite] { // not in all of its rows
			slices.Sort(protocols)
			difference += " (" + strings.Join(protocols, ", ") + ")"
		}
		bullets = append(bullets, bullet(suite, difference))
	}
	slices.Sort(lines)
	slices.Sort(bullets)
	lines = append([]string{
		line("Suite or server", "Version", "Protocol", "Cases", "Passed", "Known differences"),
		"|---|---|---|--:|--:|---|",
	}, lines...)
	if len(bullets) > 0 {
		lines = append(append(lines, ""), bullets...)
	}
	return before + strings.Join(lines, "\n") + "\n" + after, nil
}
