package load

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSequence: tables of what a stream reads.
func TestSequence(t *testing.T) {
	for _, c := range []struct {
		name                          string
		read                          []int64
		missing, repeated, outOfOrder int64
	}{
		{"in order", []int64{5, 6, 7}, 0, 0, 0},
		{"one", []int64{math.MaxInt64}, 0, 0, 0},
		{"a gap", []int64{1, 2, 5}, 2, 0, 0},
		{"a gap that is filled later", []int64{1, 2, 5, 4, 3, 6}, 0, 0, 2},
		{"from the middle", []int64{1, 9, 5, 5, 2, 8}, 4, 1, 3},
		{"a pair swapped", []int64{1, 3, 2, 4}, 0, 0, 1},
		{"repeated", []int64{1, 2, 3, 2, 3, 4}, 0, 2, 0},
		{"before the first", []int64{10, 8, 9, 11}, 0, 0, 2},
		{"a counter that starts again", []int64{100, 101, 1, 2, 102}, 0, 0, 2},
		{"negative", []int64{-3, -2, 0, 1}, 1, 0, 0},
		{"the ends of the range", []int64{math.MinInt64, math.MaxInt64, math.MaxInt64}, maxJump, 1, 0},
		{"a jump", []int64{0, maxJump + 10}, maxJump, 0, 0},
	} {
		var s sequence
		for _, n := range c.read {
			s.read(n)
		}
		assert.Equal(t, [3]int64{c.missing, c.repeated, c.outOfOrder}, [3]int64{s.missing, s.repeated, s.outOfOrder}, c.name)
	}
}

// TestSequenceAgainstASet: any order of few enough numbers gives what a set of all numbers would.
func TestSequenceAgainstASet(t *testing.T) {
	for range 300 {
		var s sequence
		seen := make(map[int64]bool)
		first, last := int64(0), int64(0)
		var repeated, outOfOrder int64
		for i := range 200 {
			n := 20 + rand.Int64N(60)
			switch {
			case i == 0:
				first, last = n, n
			case n < first || n < last && !seen[n]:
				outOfOrder++
			case seen[n]:
				repeated++
			}
			last = max(last, n)
			if n >= first {
				seen[n] = true
			}
			s.read(n)
			missing := last - first + 1 - int64(len(seen))
			require.Equal(t, [3]int64{missing, repeated, outOfOrder}, [3]int64{s.missing, s.repeated, s.outOfOrder})
		}
	}
}

// TestSequenceIsBounded: a server that leaves out every second number costs no more than maxGaps.
func TestSequenceIsBounded(t *testing.T) {
	var s sequence
	for n := range int64(100_000) {
		s.read(2 * n)
	}
	assert.EqualValues(t, 99_999, s.missing)
	assert.Len(t, s.gaps, maxGaps)
	assert.LessOrEqual(t, cap(s.gaps), 2*maxGaps)
	last := s.last
	s.read(last - 1) // remembered
	assert.EqualValues(t, 1, s.outOfOrder)
	s.read(1) // forgotten
	assert.EqualValues(t, 1, s.repeated)
	assert.EqualValues(t, 99_998, s.missing)

	s = sequence{} // one gap, cut in pieces from inside
	s.read(0)
	s.read(1_000_000)
	for n := int64(2); n < 1_000_000; n += 2 {
		s.read(n)
	}
	assert.LessOrEqual(t, len(s.gaps), maxGaps)
}
