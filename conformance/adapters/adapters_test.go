package adapters

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	// How many scenarios of one client are played at the same time, if each has a process of
	// its own, and otherwise. Most of them wait.
	processes, streams = "80", "32"

	// maxAgain is how many results of one client may be played again.
	maxAgain = 150
)

var (
	slow = flag.String("slow", "1", "multiply the time limits of sseconform by this `factor`, on a busy machine")
	edit = flag.Bool("update", false, "edit the files of known failures")
)

// A report is what sseconform -json writes.
type report struct {
	Edition string
	Results []result
}

type result struct {
	ID, Chapter, Level, Fault string
	Passed                    bool
}

// unexpected returns the IDs of the results that the known failures contradict.
func (r *report) unexpected(reasons map[string]string) (ids []string) {
	for _, result := range r.Results {
		reason, known := reasons[result.ID]
		if result.Passed == known && !sometimes(reason) {
			ids = append(ids, result.ID)
		}
	}
	return ids
}

// TestClients plays the suite to each client, and writes docs/clients.md. A scenario whose
// result is not as expected is played again, with little beside it and longer limits: on a busy
// machine a wait is long, and only what is not as expected again counts.
func TestClients(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/sseconform", "./adapters/...")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	type run struct {
		client
		command []string
		report  report
		reasons map[string]string // known failures, by ID
		again   []string          // IDs
	}
	var runs []*run
	t.Run("all", func(t *testing.T) {
		for _, c := range clients {
			t.Run(c.key, func(t *testing.T) {
				r := &run{client: c, command: c.command(t, bin)}
				runs = append(runs, r)
				t.Parallel()
				var text string
				parallel := processes
				if c.server {
					parallel = streams
				}
				r.report, text = c.play(t, bin, r.command, "-parallel", parallel, "-slow", *slow)
				if *edit {
					editExpected(t, c.key, r.report.Results)
					return
				}
				_, r.reasons = expected(t, c.key)
				r.again = r.report.unexpected(r.reasons)
				if len(r.again) > maxAgain {
					t.Fatalf("%d results are not as expected:\n%s", len(r.again), text)
				}
			})
		}
	})
	t.Run("again", func(t *testing.T) {
		for _, r := range runs {
			if len(r.again) == 0 || len(r.again) > maxAgain {
				continue
			}
			t.Run(r.key, func(t *testing.T) {
				second, text := r.play(t, bin, r.command, "-parallel", "6", "-slow", "3", "-run", "^("+strings.Join(r.again, "|")+")$")
				if ids := second.unexpected(r.reasons); len(ids) > 0 {
					t.Errorf("expect/%s.txt does not agree about %s:\n%s", r.key, ids, text)
				}
				r.report.replace(second.Results)
			})
		}
	})
	if t.Failed() || *edit {
		return
	}
	page := readPage(t)
	for _, r := range runs {
		page.update(r.key, r.version(t), r.report, r.reasons)
	}
	page.write(t)
}

// play plays scenarios to the client, and returns the results and what sseconform prints.
func (c *client) play(t *testing.T, bin string, command []string, flags ...string) (report, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "results.json")
	flags = append(flags, "-expect", "expect/"+c.key+".txt", "-json", file)
	if c.server {
		flags = append(flags, "-server")
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "sseconform"), append(append(flags, "--"), command...)...)
	out, err := cmd.CombinedOutput()
	b, fileErr := os.ReadFile(file)
	require.NoError(t, fileErr, "%v: %s", err, out)
	var r report
	require.NoError(t, json.Unmarshal(b, &r))
	return r, string(out)
}

// replace puts results in the place of those of the same scenarios.
func (r *report) replace(results []result) {
	for _, second := range results {
		for i := range r.Results {
			if r.Results[i].ID == second.ID {
				r.Results[i] = second
			}
		}
	}
}
