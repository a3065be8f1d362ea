package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// command is the program that is tested.
var command string

func TestMain(m *testing.M) {
	flag.Parse()
	// Nearly all of a check is waiting: many run at once, whatever the number of processors.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "sse-check")
	if err != nil {
		panic(err)
	}
	command = filepath.Join(dir, "sse")
	out, err := exec.Command("go", "build", "-o", command, "github.com/lastevent/sse/cmd/sse").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// A report is what the tests look at of the command's.
type report struct {
	Findings []struct {
		ID, Level string
		Evidence  []string
		TimeLines []struct{ Name string }
	}
	NotVerified []struct{ ID, Reason string }
	Passed      []string
	Skipped     []string

	text string
	exit int
	took time.Duration
}

// levels returns the findings that are at least risks, by their identifiers.
func (r *report) levels() map[string]string {
	found := make(map[string]string)
	for _, f := range r.Findings {
		if f.Level != "note" {
			found[f.ID] = f.Level
		}
	}
	return found
}

// run runs sse check.
func run(t *testing.T, args ...string) *report {
	t.Helper()
	cmd := exec.Command(command, append([]string{"check", "-json"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := &report{text: out.String() + errs.String(), exit: cmd.ProcessState.ExitCode(), took: time.Since(begin)}
	require.NoError(t, json.Unmarshal(out.Bytes(), r), "sse check %s: exit code %d\n%s", strings.Join(args, " "), r.exit, r.text)
	return r
}

// A row is a server with a fault, or with none.
type row struct {
	name string
	want string // the finding that is to be there, with its level: "problem buffered"; "": none
	also string // findings that come with it by nature
	args []string
	url  func(t *testing.T) string
	run  func(t *testing.T) []string // in place of url: arguments, too
	// unverified must not be passed, nor found.
	unverified string
}

// test runs the command against each row.
func test(t *testing.T, rows []row) {
	t.Parallel()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			args := slices.Clone(row.args)
			if row.run != nil {
				args = append(args, row.run(t)...)
			} else {
				args = append(args, row.url(t))
			}
			r := run(t, args...)
			found := r.levels()
			if row.want != "" {
				level, id, _ := strings.Cut(row.want, " ")
				require.Equal(t, level, found[id], "%s was not found: %s", row.want, r.text)
				require.NotContains(t, r.Passed, id)
				delete(found, id)
			}
			for _, id := range strings.Fields(row.also) {
				delete(found, id)
			}
			require.Empty(t, found, "found besides %q: %s", row.want, r.text)
			switch {
			case strings.HasPrefix(row.want, "problem "):
				require.Equal(t, 1, r.exit)
			case row.also == "":
				require.Equal(t, 0, r.exit)
			}
			for _, id := range strings.Fields(row.unverified) {
				require.NotContains(t, r.Passed, id)
			}
			if row.want == "" && !slices.Contains(row.args, "-for") {
				require.Less(t, r.took, 15*time.Second+busy, "a good server takes less than 15 s")
			}
		})
	}
}

// busy is what a run may take longer on a machine that runs a dozen others at a time.
const busy = 15 * time.Second
