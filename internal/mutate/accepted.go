package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// readAccepted reads the mutants that may survive: their keys, each below its reason, which
// is one or more lines that begin with #. A blank line ends what a reason is for.
func readAccepted(file string) (map[string]bool, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	accepted := make(map[string]bool)
	reason := false
	scanner := bufio.NewScanner(f)
	for n := 1; scanner.Scan(); n++ {
		switch line := strings.TrimSpace(scanner.Text()); {
		case line == "":
			reason = false
		case strings.HasPrefix(line, "#"):
			reason = true
		case !reason:
			return nil, fmt.Errorf("%s:%d: a mutant without a reason", file, n)
		case accepted[line]:
			return nil, fmt.Errorf("%s:%d: the same mutant again", file, n)
		default:
			accepted[line] = true
		}
	}
	return accepted, scanner.Err()
}
