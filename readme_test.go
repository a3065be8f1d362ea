package sse_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")
	link    = regexp.MustCompile(`(?:\]\(|src="|srcset=")([^)"#:]+)[)"#]`) // but those to the web
)

// TestDocuments: each Go block of the READMEs and of docs/ stands in a file that is compiled
// and run, and each file and directory that they link to is there.
func TestDocuments(t *testing.T) {
	docs, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, docs)
	names, err := filepath.Glob("example*_test.go")
	require.NoError(t, err)
	names = append(names, "bench/migrating_test.go", "fleet/example_test.go") // which those modules run
	var examples strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		examples.Write(b)
	}
	blocks := 0
	for _, name := range append(docs, "README.md", "fleet/README.md") {
		doc, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, block := range goBlock.FindAllStringSubmatch(string(doc), -1) {
			require.True(t, strings.Contains(examples.String(), block[1]), "in no example file:\n%s", block[1])
			blocks++
		}
		for _, link := range link.FindAllStringSubmatch(goBlock.ReplaceAllString(string(doc), ""), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(name), link[1]))
			require.NoError(t, err, name)
		}
	}
	require.Equal(t, 14, blocks)
}

// TestDocumentsNameTests: the tests that docs/ name are there. A name may be the beginning
// of several.
func TestDocumentsNameTests(t *testing.T) {
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "*/*/*_test.go"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			tests.Write(b)
		}
	}
	var doc []byte
	for _, name := range []string{"docs/reliability.md", "docs/fleet.md"} {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		doc = append(doc, b...)
	}
	named := regexp.MustCompile(`(?:\bTest|-run )\w+`).FindAllString(string(doc), -1)
	require.Greater(t, len(named), 20)
	for _, name := range named {
		name = "func Test" + strings.TrimPrefix(strings.TrimPrefix(name, "-run "), "Test")
		require.True(t, strings.Contains(tests.String(), name), name)
	}
}
