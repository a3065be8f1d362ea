package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/lastevent/sse/internal/suite"
)

// choose returns the cases whose ID the first expression matches, and the second one, if not
// empty, does not, and which have one of the tags.
func choose(all []suite.Case, run, skip, tags string) ([]suite.Case, error) {
	re, err := regexp.Compile(run)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	not, err := regexp.Compile(skip)
	if err != nil {
		return nil, fmt.Errorf("-skip: %w", err)
	}
	var wanted []string
	if tags != "" {
		wanted = strings.Split(tags, ",")
	}
	var cases []suite.Case
	for i := range all {
		c := &all[i]
		has := func(tag string) bool {
			return strings.EqualFold(tag, c.Level) || tag == c.Chapter() || slices.Contains(c.Tags, tag)
		}
		if re.MatchString(c.ID) && !(skip != "" && not.MatchString(c.ID)) && (wanted == nil || slices.ContainsFunc(wanted, has)) {
			cases = append(cases, *c)
		}
	}
	if len(cases) == 0 {
		return nil, errors.New("no scenario is chosen; -list prints them")
	}
	return cases, nil
}

// printCases prints the edition as one JSON document: see testdata/spec/edition/schema.json.
func printCases(w io.Writer, all []suite.Case, clauses map[string]suite.Clause) error {
	digest, err := suite.Digest()
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(map[string]any{"edition": suite.Edition, "digest": digest, "clauses": clauses, "cases": all})
}

// Expected are the known failures of a client: a reason by the ID.
type expected map[string]string

// readExpected reads a file of known failures: an ID, or a pattern such as retry/bad-*, and
// the reason. A line may be empty, or a comment after a #.
func readExpected(name string, all []suite.Case) (expected, error) {
	known := make(expected)
	if name == "" {
		return known, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, reason, _ := strings.Cut(line, " ")
		reason = strings.TrimSpace(reason)
		if reason == "" {
			return nil, fmt.Errorf("%s:%d: %s has no reason", name, n, pattern)
		}
		matched := false
		for i := range all {
			ok, err := path.Match(pattern, all[i].ID)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, n, err)
			}
			if ok {
				matched, known[all[i].ID] = true, reason
			}
		}
		if !matched {
			return nil, fmt.Errorf("%s:%d: no scenario is called %s", name, n, pattern)
		}
	}
	return known, sc.Err()
}
