package sse_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// rfc3629 has the ranges of the bytes of each kind of valid sequence (section 4 of the RFC).
var rfc3629 = [][][2]byte{
	{{0x00, 0x7F}},
	{{0xC2, 0xDF}, {0x80, 0xBF}},
	{{0xE0, 0xE0}, {0xA0, 0xBF}, {0x80, 0xBF}},
	{{0xE1, 0xEC}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xED, 0xED}, {0x80, 0x9F}, {0x80, 0xBF}},
	{{0xEE, 0xEF}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xF0, 0xF0}, {0x90, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xF1, 0xF3}, {0x80, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xF4, 0xF4}, {0x80, 0x8F}, {0x80, 0xBF}, {0x80, 0xBF}},
}

// atRanges returns all single bytes, and each sequence whose bytes lie at the ends of the
// table's ranges or just outside, also cut short.
func atRanges() []string {
	seen := make(map[string]bool)
	var sequences []string
	add := func(s string) {
		if !seen[s] {
			seen[s] = true
			sequences = append(sequences, s)
		}
	}
	var build func(row [][2]byte, s string)
	build = func(row [][2]byte, s string) {
		add(s)
		if len(row) > 0 {
			for _, c := range []byte{row[0][0] - 1, row[0][0], row[0][1], row[0][1] + 1} {
				build(row[1:], s+string([]byte{c}))
			}
		}
	}
	for _, row := range rfc3629 {
		build(row, "")
	}
	for c := range 256 {
		add(string([]byte{byte(c)}))
	}
	return sequences
}

// requireValidity compares with utf8.Valid.
func requireValidity(t *testing.T, b []byte) {
	if got, want := sse.IsValidUTF8(b), utf8.Valid(b); got != want {
		t.Fatalf("%v for %x, of which utf8.Valid says %v", got, b, want)
	}
}

// TestUTF8AtRanges has each sequence at each offset in a block of 64 bytes and at its
// border, among runes of each length.
func TestUTF8AtRanges(t *testing.T) {
	sequences := atRanges()
	require.Greater(t, len(sequences), 500)
	step := 1
	if testing.Short() {
		step = 7
	}
	for i := 0; i < len(sequences); i += step {
		for _, rune := range []string{"a", "é", "中", "😀"} {
			for offset := range 72 {
				for _, after := range []int{0, 1, 64} {
					b := []byte(strings.Repeat(".", offset%len(rune)) + strings.Repeat(rune, offset/len(rune)) + sequences[i] + strings.Repeat(rune, after))
					requireValidity(t, b)
				}
			}
		}
	}
}

// TestUTF8AfterASCII has each sequence after a run of ASCII that follows other runes, so that
// the check changes from one way to the other at each place.
func TestUTF8AfterASCII(t *testing.T) {
	for _, sequence := range atRanges() {
		for run := range 180 {
			requireValidity(t, []byte(strings.Repeat("中", 21)+strings.Repeat("a", run)+sequence+strings.Repeat("é", 35)))
		}
	}
}

// TestUTF8Mutated damages texts, and cuts them between runes and inside.
func TestUTF8Mutated(t *testing.T) {
	texts := []string{
		strings.Repeat("一个例子，很长的文本。", 40), strings.Repeat("Пример длинного текста. ", 40), strings.Repeat("😀🎉🚀", 60),
		strings.Repeat(`{"delta":{"content":"例子"},"n":1}`, 20), strings.Repeat("plain text ", 60), strings.Repeat("déjà vu, ça va? ", 40),
	}
	odd := []byte{0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xEC, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF}
	rng := rand.New(rand.NewPCG(3, 3))
	valid, n := 0, 200_000
	for range n {
		var b []byte
		for range 1 + rng.IntN(3) {
			text := texts[rng.IntN(len(texts))]
			from := rng.IntN(len(text))
			to := min(len(text), from+rng.IntN(120))
			if rng.IntN(4) > 0 { // between runes
				for from < to && !utf8.RuneStart(text[from]) {
					from++
				}
				for to > from && to < len(text) && !utf8.RuneStart(text[to]) {
					to--
				}
			}
			b = append(b, text[from:to]...)
		}
		for range rng.IntN(3) {
			if i := rng.IntN(len(b) + 1); i < len(b) {
				switch rng.IntN(4) {
				case 0:
					b[i] = odd[rng.IntN(len(odd))]
				case 1:
					b[i] ^= 1 << rng.IntN(8)
				case 2:
					b = append(b[:i], b[i+1:]...)
				case 3:
					b = append(b[:i], append([]byte(string(rune(rng.IntN(0x110000)))), b[i:]...)...)
				}
			}
		}
		requireValidity(t, b)
		if utf8.Valid(b) {
			valid++
		}
	}
	require.InDelta(t, n/2, valid, float64(n)/3, "the texts are neither all valid nor all damaged")
}

func FuzzUTF8(f *testing.F) {
	for i, sequence := range atRanges() {
		if i%20 == 0 {
			f.Add([]byte(sequence))
			f.Add(append(bytes.Repeat([]byte("é"), 30), sequence...))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { requireValidity(t, b) })
}
