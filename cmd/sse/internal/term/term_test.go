package term

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestWrite(t *testing.T) {
	for text, want := range map[string]string{
		"plain\ttext, höhe 高 👍\n":        "plain\ttext, höhe 高 👍\n",
		"a\r\nb":                         "a\r\nb",
		"a\rb":                           `a\x0db`,
		"\x1b[2J\x1b]0;title\a":          `\x1b[2J\x1b]0;title\x07`,
		"\x00\x7f\x08":                   `\x00\x7f\x08`,
		"\u009b2J":                       `\u009b2J`,
		"a\u202eb\u2066c\u200bd\ufeffe":  `a\u202eb\u2066c\u200bd\ufeffe`,
		"\u2028\u2029\ue000\U000e0041":   `\u2028\u2029\ue000\U000e0041`,
		"\xff\xc3(\xe2\x82":              `\xff\xc3(\xe2\x82`,
		"\xed\xa0\x80":                   `\xed\xa0\x80`,
		"\ufffd is a character":          "\ufffd is a character",
		"\x00NOBODYKNOWSTHEMARK\x00\x1b": `\x00NOBODYKNOWSTHEMARK\x00\x1b`,
	} {
		require.Equal(t, want, Visible(text))
		for cut := range len(text) {
			var b bytes.Buffer
			w := NewWriter(&b, true, false)
			for _, part := range []string{text[:cut], text[cut:]} {
				n, err := w.Write([]byte(part))
				require.NoError(t, err)
				require.Equal(t, len(part), n)
			}
			w.Flush()
			require.Equal(t, want, b.String(), "cut at %d", cut)
		}
		var b bytes.Buffer
		w := NewWriter(&b, false, true)
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, text, b.String(), "no terminal")
	}
}

// TestOwn: what is marked passes, and nothing else does, also between the marks.
func TestOwn(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, true, true)
	_, err := w.Write([]byte(w.Paint(Cyan, "a\x1b[0mb\u202e") + w.Own("\r\x1b[K\t\n")))
	require.NoError(t, err)
	require.Equal(t, "\x1b[36ma\x1b[7m\\x1b\x1b[27m[0mb\x1b[7m\\u202e\x1b[27m\x1b[0m\r\x1b[K\t\n", b.String())

	text := w.Paint(Cyan, "a") + w.Own("\r")
	for cut := range len(text) { // a buffer in front of the Writer cuts anywhere
		b.Reset()
		for _, part := range []string{text[:cut], text[cut:]} {
			_, err := w.Write([]byte(part))
			require.NoError(t, err)
		}
		require.Equal(t, "\x1b[36ma\x1b[0m\r", b.String(), "cut at %d", cut)
	}

	b.Reset()
	_, err = w.Write([]byte(mark)) // with nothing after it
	require.NoError(t, err)
	require.Empty(t, b.String())

	for _, w := range []*Writer{NewWriter(&b, true, false), NewWriter(&b, false, true)} {
		require.Equal(t, "a", w.Paint(Red, "a"))
	}
	require.Equal(t, "\x1b[31m", NewWriter(&b, false, true).Own("\x1b[31m"), "no mark leaves the process")
}

func TestNew(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	device, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer device.Close()
	require.True(t, New(device).IsTerminal())
	require.NotEqual(t, "a", New(device).Paint(Red, "a"))
	t.Setenv("TERM", "dumb")
	require.Equal(t, "a", New(device).Paint(Red, "a"))
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	require.Equal(t, "a", New(device).Paint(Red, "a"))
	file, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	defer file.Close()
	require.False(t, New(file).IsTerminal())
}

func TestClip(t *testing.T) {
	require.Equal(t, "abc", Clip("abc", 3))
	require.Equal(t, "ab…", Clip("abcd", 3))
	require.Equal(t, "高…", Clip("高高", 3))
	require.Equal(t, 4, Width("高高"))
	require.LessOrEqual(t, Width(Clip(strings.Repeat("é高", 80), 79)), 79)
}

func FuzzWrite(f *testing.F) {
	f.Add("\x1b[2J", "\u202e\xff")
	f.Fuzz(func(t *testing.T, one, two string) {
		var b bytes.Buffer
		w := NewWriter(&b, true, false)
		_, _ = w.Write([]byte(one))
		_, _ = w.Write([]byte(two))
		w.Flush()
		out := strings.ReplaceAll(b.String(), "\r\n", "\n")
		require.True(t, utf8.ValidString(out))
		for _, r := range out {
			require.True(t, isPrintable(r), "%q", r)
		}
		require.Equal(t, Visible(one+two), b.String())
	})
}
