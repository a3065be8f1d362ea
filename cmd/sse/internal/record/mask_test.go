package record

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// masked masks a text that comes in pieces, and returns the pieces, of which the number and
// the sizes must not change.
func masked(t *testing.T, m *masker, parts ...string) []string {
	t.Helper()
	var done []piece
	for i, part := range parts {
		done = append(done, m.add(piece{time.Unix(int64(i), 0), []byte(part)})...)
	}
	done = append(done, m.flush()...)
	require.Len(t, done, len(parts))
	var out []string
	for i, p := range done {
		require.Equal(t, time.Unix(int64(i), 0), p.at)
		require.Len(t, p.data, len(parts[i]))
		out = append(out, string(p.data))
	}
	return out
}

func newMasker(secrets ...string) *masker {
	var known [][]byte
	for _, s := range secrets {
		known = append(known, []byte(s))
	}
	return &masker{secrets: func() [][]byte { return known }}
}

// TestMask: a secret is hidden however the pieces cut it.
func TestMask(t *testing.T) {
	secrets := []string{"hunter2", "hunter22", "ter2x", "aaab", "éß"}
	text := "data: hunter2\n\ndata: hunter22 hunter2x aaaaab hunte aaaa éß\n\ndata: hunter"
	const want = "data: *******\n\ndata: ******** ******** aa**** hunte aaaa ****\n\ndata: hunter"
	rnd := rand.New(rand.NewPCG(1, 2))
	for run := range 2000 {
		var parts []string
		for rest := text; rest != ""; {
			n := 1 // byte by byte first, then in one piece
			switch {
			case run == 1:
				n = len(rest)
			case run > 1:
				n = min(len(rest), 1+rnd.IntN(1+run%40))
			}
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		require.Equal(t, want, strings.Join(masked(t, newMasker(secrets...), parts...), ""), "%q", parts)
	}
}

// TestMaskIsPrompt: a piece is held back only while its end may be the beginning of a secret.
func TestMaskIsPrompt(t *testing.T) {
	m := newMasker("hunter2")
	require.Len(t, m.add(piece{data: []byte("data: hunter1\n\n")}), 1)
	require.Empty(t, m.add(piece{data: []byte("data: hun")}))
	require.Empty(t, m.add(piece{data: []byte("ter")}))
	require.Len(t, m.add(piece{data: []byte("3")}), 3)
}

// TestMaskPatterns: what a pattern matches keeps its form, also over pieces; only its group,
// if it has one.
func TestMaskPatterns(t *testing.T) {
	m := newMasker("hunter2")
	m.patterns = []*regexp.Regexp{
		regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`),
		regexp.MustCompile(`"id":"([^"]*)"`),
		regexp.MustCompile(`^id: (.*)$`),
	}
	require.Equal(t, []string{"id: xx-0\r\ndata: {\"at\":\"0000-0", "0-00x00:00:00.000x\",\"id\":\"", "xx", "x", "0\"} *", "****", "** 2026\rid: ", "x"},
		masked(t, m, "id: ab-7\r\ndata: {\"at\":\"2026-1", "1-27T18:09:37.123Z\",\"id\":\"", "Zé"[:2], "é"[1:], "9\"} h", "unte", "r2 2026\rid: ", "k"))
}

// TestMaskLongLine: a line without an end is not held back for ever.
func TestMaskLongLine(t *testing.T) {
	m := newMasker()
	m.patterns = []*regexp.Regexp{regexp.MustCompile(`x+`)}
	done := 0
	for range 100 {
		done += len(m.add(piece{data: bytes.Repeat([]byte("y"), 1<<10)}))
	}
	require.GreaterOrEqual(t, done, 100-maxPatternLine>>10)
	require.LessOrEqual(t, len(m.buf), maxPatternLine)
}

func BenchmarkMask(b *testing.B) {
	var secrets []string
	for i := range 20 {
		secrets = append(secrets, fmt.Sprintf("secret-number-%d-of-the-test", i))
	}
	m := newMasker(secrets...)
	data := []byte("id: 17\ndata: {\"some\":\"data that is as long as an event often is\"}\n\n")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		m.add(piece{data: data})
	}
}
