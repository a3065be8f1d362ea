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

// TestDocuments: each Go block of the README and of docs/ stands in an example file, which
// is compiled and run, and each file and directory that they link to is there.
func TestDocuments(t *testing.T) {
	docs, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, docs)
	names, err := filepath.Glob("example*_test.go")
	require.NoError(t, err)
	var examples strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		examples.Write(b)
	}
	blocks := 0
	for _, name := range append(docs, "README.md") {
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
	require.Equal(t, 6, blocks)
}
