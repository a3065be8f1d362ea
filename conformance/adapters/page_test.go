package adapters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/suite"
)

const (
	resultsFile = "results.json"
	pageFile    = "../../docs/clients.md"
	spec        = "testdata/spec"
)

// A page has the results from which docs/clients.md is written. A client that is not installed
// keeps the results of the last machine that had it.
type page struct {
	Edition string
	Clients map[string]*results
}

type results struct {
	Version string
	Date    string                    // of the run that first had these results
	Passed  map[string]map[string]int // by chapter and level
	Failed  []string                  // IDs
}

var levels = []string{suite.Must, suite.Should, suite.May}

func readPage(t *testing.T) *page {
	p := &page{Clients: make(map[string]*results)}
	b, err := os.ReadFile(resultsFile)
	if os.IsNotExist(err) {
		return p
	}
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, p))
	return p
}

// update takes the results of a run. The date stays if nothing else changes.
func (p *page) update(key, version string, r report, reasons map[string]string) {
	p.Edition = r.Edition
	now := &results{Version: version, Passed: make(map[string]map[string]int)}
	for _, result := range r.Results {
		if !result.Passed || sometimes(reasons[result.ID]) {
			now.Failed = append(now.Failed, result.ID)
			continue
		}
		if now.Passed[result.Chapter] == nil {
			now.Passed[result.Chapter] = make(map[string]int)
		}
		now.Passed[result.Chapter][result.Level]++
	}
	slices.Sort(now.Failed)
	if old := p.Clients[key]; old != nil {
		now.Date = old.Date
		if fmt.Sprint(old) == fmt.Sprint(now) {
			return
		}
	}
	now.Date = time.Now().UTC().Format("2 January 2006")
	p.Clients[key] = now
}

func (p *page) write(t *testing.T) {
	b, err := json.MarshalIndent(p, "", " ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(resultsFile, append(b, '\n'), 0o644))
	require.NoError(t, os.WriteFile(pageFile, p.render(t), 0o644))
}

// TestPage: the page is what the results say.
func TestPage(t *testing.T) {
	want, err := os.ReadFile(pageFile)
	require.NoError(t, err)
	require.Equal(t, string(want), string(readPage(t).render(t)), "go test -run TestClients ./adapters writes it")
}

const (
	begin = "<!-- results -->\n"
	end   = "<!-- end of results -->\n"
)

// render returns the page with the results in their place.
func (p *page) render(t *testing.T) []byte {
	text, err := os.ReadFile(pageFile)
	require.NoError(t, err)
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	require.True(t, ok && ok2, "%s has no place for the results", pageFile)
	cases, _, err := suite.Load()
	require.NoError(t, err)

	var w bytes.Buffer
	w.Write(before)
	w.WriteString(begin)
	p.tables(&w, cases)
	at := positions(t)
	for _, c := range clients {
		if r := p.Clients[c.key]; r != nil {
			fmt.Fprintf(&w, "\n### %s\n", c.name)
			notes, reasons := expected(t, c.key)
			w.WriteString(notes)
			failures(&w, r.Failed, reasons, at)
		}
	}
	w.WriteString(end)
	w.Write(after)
	return w.Bytes()
}

// tables writes what each client passes: in all, and by chapter.
func (p *page) tables(w *bytes.Buffer, cases []suite.Case) {
	all := make(map[string]map[string]int) // by chapter, "" for all, and level
	for i := range cases {
		for _, chapter := range []string{"", cases[i].Chapter()} {
			if all[chapter] == nil {
				all[chapter] = make(map[string]int)
			}
			all[chapter][cases[i].Level]++
		}
	}
	row := func(cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	row("Client", "Version", "Date", "MUST", "SHOULD", "MAY")
	row("---", "---", "---", "--:", "--:", "--:")
	for _, c := range clients {
		r := p.Clients[c.key]
		if r == nil {
			continue
		}
		cells := []string{fmt.Sprintf("[%s](%s)", c.name, c.link), r.Version, r.Date}
		for _, level := range levels {
			passed := 0
			for _, chapter := range suite.Chapters {
				passed += r.Passed[chapter][level]
			}
			cells = append(cells, fmt.Sprintf("%d of %d", passed, all[""][level]))
		}
		row(cells...)
	}
	w.WriteString("\nBy chapter, MUST and SHOULD together, and MAY after a plus sign:\n\n")
	header, rule := []string{"Client"}, []string{"---"}
	for _, chapter := range suite.Chapters {
		title := fmt.Sprintf("%s, %d", chapter, all[chapter][suite.Must]+all[chapter][suite.Should])
		if may := all[chapter][suite.May]; may > 0 {
			title += fmt.Sprintf("+%d", may)
		}
		header, rule = append(header, title), append(rule, "--:")
	}
	row(header...)
	row(rule...)
	for _, c := range clients {
		r := p.Clients[c.key]
		if r == nil {
			continue
		}
		cells := []string{c.name}
		for _, chapter := range suite.Chapters {
			passed := r.Passed[chapter]
			cell := fmt.Sprint(passed[suite.Must] + passed[suite.Should])
			if all[chapter][suite.May] > 0 {
				cell += fmt.Sprintf("+%d", passed[suite.May])
			}
			cells = append(cells, cell)
		}
		row(cells...)
	}
}

// failures writes the failures of a client, by their reasons.
func failures(w *bytes.Buffer, failed []string, reasons map[string]string, at map[string]string) {
	by := make(map[string][]string)
	for _, id := range failed {
		by[reasons[id]] = append(by[reasons[id]], fmt.Sprintf("[%s](../%s)", id, at[id]))
	}
	var order []string
	for reason := range by {
		order = append(order, reason)
	}
	slices.SortFunc(order, func(a, b string) int {
		if n := len(by[b]) - len(by[a]); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	if len(order) > 0 {
		w.WriteString("\n")
	}
	for _, reason := range order {
		links := by[reason]
		if len(links) <= 4 {
			fmt.Fprintf(w, "- %s: %s\n", reason, strings.Join(links, ", "))
			continue
		}
		fmt.Fprintf(w, "- <details><summary>%s: %d cases</summary>\n\n  %s\n\n  </details>\n", reason, len(links), strings.Join(links, ", "))
	}
}

// expected reads the known failures of a client: the comment at the top, which the page has
// above the failures, and a reason for each ID.
func expected(t *testing.T, key string) (notes string, reasons map[string]string) {
	b, err := os.ReadFile("expect/" + key + ".txt")
	require.NoError(t, err)
	reasons = make(map[string]string)
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			notes += "\n" + strings.TrimSpace(comment)
			continue
		}
		id, reason, _ := strings.Cut(line, " ")
		reasons[id] = strings.TrimSpace(reason)
	}
	if notes != "" {
		notes += "\n"
	}
	return notes, reasons
}

// sometimes reports whether a scenario fails at random.
func sometimes(reason string) bool { return strings.HasPrefix(reason, "Sometimes") }

// editExpected makes the known failures those of the results. What is new has no reason yet.
func editExpected(t *testing.T, key string, all []result) {
	notes, reasons := expected(t, key)
	var lines []string
	for _, r := range all {
		reason := reasons[r.ID]
		switch {
		case sometimes(reason):
		case r.Passed:
			continue
		case reason == "":
			reason = "unexplained: " + r.Fault
		}
		lines = append(lines, r.ID+" "+reason+"\n")
	}
	slices.Sort(lines)
	text := strings.ReplaceAll(strings.TrimSpace(notes), "\n", "\n# ")
	require.NoError(t, os.WriteFile("expect/"+key+".txt", []byte("# "+text+"\n"+strings.Join(lines, "")), 0o644))
}

// positions returns the file and line of each case, from the root of the repository.
func positions(t *testing.T) map[string]string {
	at := make(map[string]string)
	root := filepath.Join("../..", spec)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		b, err := os.ReadFile(path)
		n := 0
		for line := range strings.Lines(string(b)) {
			n++
			if id, ok := strings.CutPrefix(strings.TrimSpace(line), `"id": "`); ok {
				id, _, _ = strings.Cut(id, `"`)
				rel, _ := filepath.Rel("../..", path)
				at[id] = fmt.Sprintf("%s#L%d", filepath.ToSlash(rel), n)
			}
		}
		return err
	}))
	return at
}
