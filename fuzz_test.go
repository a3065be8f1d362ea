package sse_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// FuzzParser: a stream read whole, cut at random and byte by byte, and the reference
// agree. With a small limit they agree on what is too large.
func FuzzParser(f *testing.F) {
	for i, c := range specCases(f) {
		f.Add(c.stream(), uint64(i), uint16(0))
		f.Add(c.stream(), uint64(i), uint16(i%40))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, limit uint16) {
		want := byTheStandard(stream)
		rng := rand.New(rand.NewPCG(seed, 0))
		whole := parse(t, new(sse.Parser), bytes.NewReader(stream))
		require.Equal(t, want, whole, "whole")
		require.Equal(t, want, parse(t, new(sse.Parser), atRandom(stream, rng, rng.IntN(20))), "cut at random")
		require.Equal(t, want, parse(t, new(sse.Parser), iotest.OneByteReader(bytes.NewReader(stream))), "byte by byte")

		limited := func() *sse.Parser { return &sse.Parser{MaxEventSize: int(limit)} }
		whole = parse(t, limited(), bytes.NewReader(stream))
		require.Equal(t, whole, parse(t, limited(), atRandom(stream, rng, rng.IntN(20))), "limited, cut at random")
		require.Equal(t, whole, parse(t, limited(), iotest.OneByteReader(bytes.NewReader(stream))), "limited, byte by byte")
		if whole.Err != sse.ErrEventTooLarge {
			require.Equal(t, want, whole, "limited")
		}
	})
}

// FuzzRoundTrip: what AppendText writes, the parser reads; what a stream gives,
// AppendText can write.
func FuzzRoundTrip(f *testing.F) {
	f.Add("", "", "")
	f.Add("message", "a\nb\n", "1")
	f.Add(" :é", "\ufeff", "[{\"offset\":-1}]")
	f.Add("a\rb", "\xff", "\x00")
	f.Fuzz(func(t *testing.T, typ, data, id string) {
		ev := sse.Event{Type: typ, Data: data, LastEventID: id}
		if _, err := ev.AppendText(nil); err == nil {
			requireRoundTrip(t, ev)
		}
		for ev, err := range sse.Read(bytes.NewReader([]byte(data))) {
			if err == nil {
				requireRoundTrip(t, ev)
			}
		}
	})
}
