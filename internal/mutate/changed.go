package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A change is the lines that a diff has in the new file.
type change struct{ from, to int }

var hunk = regexp.MustCompile(`^@@ -\S+ \+(\d+)(?:,(\d+))? @@`)

// changedSince returns the lines that differ from a commit, by the file's path: what is in
// the working tree, committed or not.
func changedSince(ref string) (map[string][]change, error) {
	top, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	diff, err := git("diff", "--unified=0", "--no-color", "--no-ext-diff", "--dst-prefix=b/", "--no-relative", ref, "--", "*.go")
	if err != nil {
		return nil, err
	}
	return parseDiff(strings.TrimSpace(top), diff), nil
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	if ee, ok := err.(*exec.ExitError); ok {
		return "", fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(string(ee.Stderr)))
	}
	return string(out), err
}

func parseDiff(top, diff string) map[string][]change {
	changed := make(map[string][]change)
	var path string
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "+++ b/"); ok {
			path = filepath.Join(top, filepath.FromSlash(strings.TrimSuffix(name, "\t")))
		} else if match := hunk.FindStringSubmatch(line); match != nil {
			from, _ := strconv.Atoi(match[1])
			n := 1
			if match[2] != "" {
				n, _ = strconv.Atoi(match[2])
			}
			if n > 0 {
				changed[path] = append(changed[path], change{from, from + n - 1})
			}
		}
	}
	return changed
}
