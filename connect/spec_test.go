package connect

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the reference into README.md")

// TestLint: what is wrong is found by linting where it can be, and by the constructor anyway.
func TestLint(t *testing.T) {
	const url = "url: http://example.com\n"
	for _, test := range []struct{ input, lint, err string }{
		{url, "", ""},
		{"urls: [ http://a.example, http://b.example ]", "", ""},
		{"method: GET", "set url or urls", "set url or urls"},
		{url + "urls: [ http://a.example ]", "not both", "not both"},
		{"urls: [ http://a.example, http://a.example ]", "", "http://a.example is in urls twice"},
		{"urls: [ http://a.example ]\nposition: { cache: positions, key: k }", "position.key is for url only", "position.key is for url only"},
		{url + "position: { key: k }", "without position.cache", ""},
		{url + "position: { cache: other }", "", "no cache resource other"},
		{url + "headers: { last-event-id: '1' }", "set last_event_id", "set last_event_id"},
		{url + "last_event_id: \"a\\nb\"", "", "no Last-Event-ID header can carry"},
		{url + "checkpoint_limit: 0", "at least 1", "at least 1"},
		{url + "max_event_size: 0", "at least 1", "at least 1"},
		{url + "idle_timeout: -1s", "", "must not be negative"},
		{url + "idle_timeout: soon", "", "invalid duration"},
		{url + "reconnect: { on_error: perhaps }", "perhaps", ""},
		{url + "method: 'G T'", "", "invalid method"},
		{url + "verb: POST", "verb", ""},
		{"url: ftp://u:secret@example.com/", "", "ftp://u:xxxxx@example.com/ is no URL"},
		{"url: 'http://u:secret@example.com/%zz'", "", "a URL is invalid"},
	} {
		input := test.input
		lints, err := service.GlobalEnvironment().NewComponentConfigLinter().
			LintInputYAML([]byte("sse:\n  " + strings.ReplaceAll(input, "\n", "\n  ")))
		require.NoError(t, err)
		if test.lint == "" {
			require.Empty(t, lints, input)
		} else {
			require.Len(t, lints, 1, input)
			require.Contains(t, lints[0].What, test.lint)
		}
		p, err := spec().ParseYAML(input, nil)
		if err == nil {
			_, err = newInput(p, service.MockResources(service.MockResourcesOptAddCache("positions")))
		}
		if test.err == "" {
			require.NoError(t, err, input)
		} else {
			require.ErrorContains(t, err, test.err)
			require.NotContains(t, err.Error(), "secret")
		}
	}
}

func TestPositionKeys(t *testing.T) {
	c := config{key: "k"}
	require.Equal(t, "k", c.positionKey("http://example.com"))
	c.key = ""
	// The first 16 digits of: printf http://example.com | sha256sum
	require.Equal(t, "sse-f0e6a6a97042a4f1", c.positionKey("http://example.com"))
}

func TestLabels(t *testing.T) {
	require.Equal(t, []string{"http://a.example/x", "http://a.example/x#2", "http://b.example"},
		labels([]string{"http://u:p@a.example/x?token=1", "http://a.example/x?token=2#frag", "http://b.example"}))
}

// TestExamples: those of the reference and the demo are valid.
func TestExamples(t *testing.T) {
	demo, err := os.ReadFile("demo.yaml")
	require.NoError(t, err)
	for _, e := range reference(t).Examples {
		lint(t, e.Config, "API_KEY")
	}
	require.NotContains(t, string(demo), "nats_jetstream_", "the name is that of Redpanda Connect's")
	before, _, ok := strings.Cut(string(demo), "output:\n")
	require.True(t, ok)
	_, after, ok := strings.Cut(string(demo), "cache_resources:\n")
	require.True(t, ok)
	lint(t, before+"output: { drop: {} }\ncache_resources:\n"+after, "DEMO_SSE_URL", "DEMO_NATS_URL", "DEMO_DIR")
}

func lint(t *testing.T, config string, variables ...string) {
	t.Helper()
	l := service.GlobalEnvironment().FullConfigSchema("", "").NewStreamConfigLinter()
	l.SetEnvVarLookupFunc(func(_ context.Context, name string) (string, bool) {
		require.Contains(t, variables, name)
		return "http://127.0.0.1", true
	})
	lints, err := l.LintYAML([]byte(config))
	require.NoError(t, err)
	require.Empty(t, lints, config)
}

func reference(t *testing.T) service.TemplateDataPlugin {
	t.Helper()
	view, ok := service.GlobalEnvironment().GetInputConfig("sse")
	require.True(t, ok)
	data, err := view.TemplateData()
	require.NoError(t, err)
	return data
}

var generated = regexp.MustCompile(`(?s)(<!-- generated: go test -run TestReference -update -->\n).*(<!-- end -->)`)

// TestReference: README.md has the reference that the spec says.
func TestReference(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Regexp(t, generated, string(readme))
	current := generated.ReplaceAllStringFunc(string(readme), func(s string) string {
		parts := generated.FindStringSubmatch(s)
		return parts[1] + "\n" + render(reference(t)) + parts[2]
	})
	if *update {
		require.NoError(t, os.WriteFile("README.md", []byte(current), 0o644))
		return
	}
	require.True(t, string(readme) == current, "README.md is not current: go test -run TestReference -update")
}

// TestReadme: its Go blocks are in files that are compiled, what it links to exists, and the
// commands name what is there.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	require.NoError(t, err)
	readme, code := string(b), ""
	for _, name := range []string{"example_test.go", "doc.go"} {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		code += strings.ReplaceAll(string(b), "\n//\t", "\n")
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, -1)
	require.Len(t, blocks, 1)
	for _, block := range blocks {
		require.Contains(t, code, block[1])
	}
	links := regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readme, -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		_, err := os.Stat(link[1])
		require.NoError(t, err)
	}
	require.Contains(t, readme, "go run -C connect ./cmd/sseconnect -c demo.yaml")
}

// render returns the reference in Markdown.
func render(data service.TemplateDataPlugin) string {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s\n\n```yaml\n%s```\n\n%s\n\n### Fields\n", data.Summary, data.AdvancedConfigYAML, strings.TrimSpace(data.Description))
	for _, f := range data.Fields {
		fmt.Fprintf(b, "\n#### `%s`\n\n", f.FullName)
		if f.Description != "Sorry! This field is missing documentation." {
			fmt.Fprintf(b, "%s\n\n", f.Description)
		}
		fmt.Fprintf(b, "Type: %s", f.Type)
		if f.IsInterpolated {
			fmt.Fprint(b, ", with interpolation functions")
		}
		if f.IsSecret {
			fmt.Fprint(b, ", secret")
		}
		if f.DefaultMarshalled != "" {
			fmt.Fprintf(b, ". Default: `%s`", f.DefaultMarshalled)
		}
		fmt.Fprint(b, "\n")
		for i, o := range f.AnnotatedOptions {
			if i == 0 {
				fmt.Fprint(b, "\n")
			}
			fmt.Fprintf(b, "- `%s`: %s\n", o[0], o[1])
		}
		for _, e := range f.ExamplesMarshalled {
			fmt.Fprintf(b, "\n```yaml\n%s\n```\n", strings.TrimSpace(e))
		}
	}
	fmt.Fprint(b, "\n### Examples\n")
	for _, e := range data.Examples {
		fmt.Fprintf(b, "\n#### %s\n\n%s\n\n```yaml\n%s\n```\n", e.Title, strings.TrimSpace(e.Summary), strings.TrimSpace(e.Config))
	}
	return b.String() + "\n"
}
