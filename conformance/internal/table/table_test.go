package table

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUpdate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	const before = `# Title

<!-- one -->
| Suite or server | Version | Protocol | Cases | Passed | Known differences |
|---|---|---|--:|--:|---|
| gone | 1 | HTTP/1.1 | 3 | 3 | 1, below |
| not here | 1 | HTTP/1.1 | 4 | 4 | 1, below |

- **gone**: nobody knows.
- **not here**: shouts.
<!-- end of one -->
Between.
<!-- two -->
<!-- end of two -->
`
	require.NoError(t, os.WriteFile(file, []byte(before), 0o600))

	row := Start("server", "2", "HTTP/2")
	row.Run(t, "passes", func(*testing.T) {})
	row.Count(2, false)
	row.Differs("repeats")
	row.Differs("repeats")
	row.Differs("loses")
	Start("another", "2", "HTTP/2")
	Start("another", "2", "HTTP/1.1").Differs("mumbles")
	t.Run("skips", func(t *testing.T) { Skip(t, "not here", "this is a test of Skip") })

	const after = `# Title

<!-- one -->
| Suite or server | Version | Protocol | Cases | Passed | Known differences |
|---|---|---|--:|--:|---|
| another | 2 | HTTP/1.1 | 0 | 0 | 1, below |
| another | 2 | HTTP/2 | 0 | 0 | none |
| not here | 1 | HTTP/1.1 | 4 | 4 | 1, below |
| server | 2 | HTTP/2 | 3 | 1 | 2, below |

- **another**: mumbles (HTTP/1.1).
- **not here**: shouts.
- **server**: loses.
- **server**: repeats.
<!-- end of one -->
Between.
<!-- two -->
<!-- end of two -->
`
	for range 2 {
		require.NoError(t, update(file, "one"))
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, after, string(got))
	}
	require.ErrorContains(t, update(file, "three"), `no section "three"`)
}

func TestReplaceRows(t *testing.T) {
	header := []string{"Server", "Figure"}
	text := "before\n<!-- x -->\n<!-- end of x -->\nafter\n"
	text, err := replaceRows(text, "x", header, [][]string{{"b", "1"}, {"a", "2"}})
	require.NoError(t, err)
	text, err = replaceRows(text, "x", header, [][]string{{"b", "3"}})
	require.NoError(t, err)
	require.Equal(t, "before\n<!-- x -->\n| Server | Figure |\n|---|---|\n| a | 2 |\n| b | 3 |\n<!-- end of x -->\nafter\n", text)
	_, err = replaceRows(text, "y", header, nil)
	require.ErrorContains(t, err, `no section "y"`)
}
