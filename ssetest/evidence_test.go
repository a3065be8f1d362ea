package ssetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFold: lines that are repeated, alone or up to eight together, are shown once.
func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "",
		"a":                                   "a",
		"a b c":                               "a b c",
		"a a":                                 "a  (2 times)",
		"a b b b c":                           "a b  (3 times) c",
		"a b a b a":                           "a b >(these 2 lines 2 times) a",
		"a a b a a b c":                       "a a b >(these 3 lines 2 times) c",
		"1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8":     "1 2 3 4 5 6 7 8 >(these 8 lines 2 times)",
		"1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9": "1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9",
	} {
		require.Equal(t, want, strings.Join(fold(strings.Fields(in), ">"), " "), in)
	}
}

// TestLimit: what is left out is counted, and the first and the last lines stay.
func TestLimit(t *testing.T) {
	var lines []string
	for n := range 10 {
		lines = append(lines, fmt.Sprint(n))
	}
	require.Equal(t, lines, limit(lines, 10))
	require.Equal(t, lines, limit(lines, 11))
	require.Equal(t, []string{"0", "1", "2", "3", "  … 2 lines are left out …", "6", "7", "8", "9"}, limit(lines, 9))
	require.Equal(t, []string{"0", "1", "2", "3", "  … 3 lines are left out …", "7", "8", "9"}, limit(lines, 8))
	require.Equal(t, []string{"0", "  … 8 lines are left out …", "9"}, limit(lines, 3))
}

// TestInEvent: an event is unfinished from its first field to its empty line.
func TestInEvent(t *testing.T) {
	for text, want := range map[string]bool{
		"":                        false,
		"data":                    true,
		"data: x\n":               true,
		"data: x\n\n":             false,
		"data: x\r\n\r\n":         false,
		"data: x\r\r":             false,
		"data: x\r\n":             true,
		"data: x\n\nid: 1\n":      true,
		"data: x\n\nevent: e":     true,
		"data: x\n\n:\n":          false,
		"data: x\n\nretry: 1\n":   false,
		"data: x\n: comment\n":    true,
		"data: x\n\ndatabase: y":  false,
		": data: in a comment\n":  false,
		"id: 1\n\nretry\n\n\n:\n": false,
	} {
		require.Equal(t, want, inEvent(text), "%q", text)
	}
}
