package recording_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var block = regexp.MustCompile("(?s)\n```\n(sse-recording .*?)```\n")

// TestDocument: the recordings in docs/recording.md can be read, and those of machines are
// as a Writer writes them.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile("../../docs/recording.md")
	require.NoError(t, err)
	blocks := block.FindAllStringSubmatch(string(doc), -1)
	require.Len(t, blocks, 3)
	for i, b := range blocks {
		r := read(t, b[1])
		if i != 1 {
			require.Equal(t, b[1], write(t, r))
		}
	}
	byHand := read(t, blocks[1][1])
	require.Len(t, byHand.Connections(), 2)

	golden, err := os.ReadFile("../../testdata/golden/feed.txt")
	require.NoError(t, err)
	require.Equal(t, string(golden), blocks[2][1])
}
