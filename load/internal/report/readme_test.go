package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/load"
)

// TestReadme: what load/README.md shows is what this package makes of the run in plots/run.json, which
// is that of sseload -demo -json. With -update it is written anew.
func TestReadme(t *testing.T) {
	dir := filepath.Join("..", "..", "plots")
	b, err := os.ReadFile(filepath.Join(dir, "run.json"))
	require.NoError(t, err)
	r := new(load.Report)
	require.NoError(t, json.Unmarshal(b, r))

	var table bytes.Buffer
	require.NoError(t, Table(&table, r, nil))
	name := filepath.Join("..", "..", "README.md")
	readme, err := os.ReadFile(name)
	require.NoError(t, err)
	between := regexp.MustCompile("(?s)(<!-- table -->\n```\n).*?(```\n<!-- /table -->)")
	want := between.ReplaceAllString(string(readme), "${1}"+strings.ReplaceAll(table.String(), "$", "$$")+"${2}")
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(want), 0o644))
	} else {
		require.Equal(t, want, string(readme), "go test . -run TestReadme -update writes it")
	}

	require.NotEmpty(t, r.Storms)
	back, attempts := stormFigures(&r.Storms[0])
	for name, f := range map[string]*figure{"streams": rampFigure(r), "latency": percentileFigure(r), "back": back, "attempts": attempts} {
		for _, theme := range []string{"light", "dark"} {
			svg := standalone(t, f, theme)
			file := filepath.Join(dir, name+"-"+theme+".svg")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(svg), 0o644))
			}
			old, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(old), svg, file)
		}
	}
}

var (
	variable   = regexp.MustCompile(`var\(--(\w+)\)`)
	definition = regexp.MustCompile(`--(\w+): (#\w+);`)
	viewBox    = regexp.MustCompile(`^<svg[^>]* viewBox="0 0 (\d+) (\d+)">`)
)

// standalone returns a figure as an image of its own: in the colours of a theme, with a title and a legend.
func standalone(t *testing.T, f *figure, theme string) string {
	light, dark, ok := strings.Cut(pageStyle, "prefers-color-scheme: dark")
	require.True(t, ok)
	colors := make(map[string]string)
	for _, m := range definition.FindAllStringSubmatch(map[string]string{"light": light, "dark": dark}[theme], -1) {
		colors[m[1]] = m[2]
	}
	var width, height int
	m := viewBox.FindStringSubmatch(string(f.Wide))
	require.NotNil(t, m)
	_, err := fmt.Sscan(m[1]+" "+m[2], &width, &height)
	require.NoError(t, err)

	const top = 26
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 %d %d" width="%dpt" height="%dpt" font-family="Liberation Sans,Arial,Helvetica,sans-serif">`,
		width, height+top, width, height+top)
	x := 0
	say := func(text, paint, also string) {
		fmt.Fprintf(&b, "\n"+`<text x="%d" y="12" font-size="11" fill="var(--%s)"%s>%s</text>`, x, paint, also, html.EscapeString(text))
		x += 7*len([]rune(text)) + 12
	}
	say(f.Unit, "ink", ` font-weight="bold"`)
	for _, l := range f.Lines {
		dash := ""
		if l.dashed {
			dash = ` stroke-dasharray="4,3"`
		}
		fmt.Fprintf(&b, "\n"+`<line x1="%d" y1="8" x2="%d" y2="8" stroke="%s" stroke-width="2"%s/>`, x, x+14, l.Paint(), dash)
		x += 19
		say(l.name, "ink", "")
	}
	fmt.Fprintf(&b, "\n<g transform=\"translate(0,%d)\">%s</g>\n</svg>\n", top, strings.TrimSuffix(viewBox.ReplaceAllString(string(f.Wide), ""), "</svg>\n"))
	svg := strings.ReplaceAll(b.String(), "font-family:inherit;", "")
	return variable.ReplaceAllStringFunc(svg, func(v string) string {
		color := colors[variable.FindStringSubmatch(v)[1]]
		require.NotEmpty(t, color, v)
		return color
	})
}
