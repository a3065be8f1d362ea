package browser

import (
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// pageFile is what the test writes for a person to look at.
const pageFile = "compared.html"

//go:embed page.html
var pageText string

// A line is what both sides have in one place of their logs.
type line struct {
	Chromium, Ours string
	Differ         bool
}

type shown struct {
	N      int
	Name   string
	Stream string // the bytes, quoted
	Known  *difference
	Differ bool
	Lines  []line
}

// What tells the page which difference a scenario shows.
func (d *difference) What() string { return d.what }

// writePage writes both sides' logs beside each other.
func writePage(t *testing.T, version string, scenarios []*scenario) {
	var all []shown
	for n, sc := range scenarios {
		s := shown{N: n + 1, Name: sc.name, Known: knownDifference(sc)}
		if sc.stream != nil {
			s.Stream = clip(fmt.Sprintf("%q", sc.stream))
		}
		logs := [2][]string{sc.log(chromium), sc.log(ours)}
		s.Differ = !slices.Equal(logs[chromium], logs[ours])
		for i := range max(len(logs[0]), len(logs[1])) {
			l := line{Chromium: at(logs[chromium], i), Ours: at(logs[ours], i)}
			l.Differ = l.Chromium != l.Ours
			l.Chromium, l.Ours = clip(l.Chromium), clip(l.Ours)
			s.Lines = append(s.Lines, l)
		}
		all = append(all, s)
	}
	f, err := os.Create(pageFile)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, template.Must(template.New(pageFile).Parse(pageText)).Execute(f, map[string]any{"Version": version, "Scenarios": all}))
	t.Logf("both sides of all scenarios: %s", pageFile)
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// clip cuts what is too long to look at.
func clip(s string) string {
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + " …"
	}
	return s
}
