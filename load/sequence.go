package load

import "slices"

const (
	maxGaps = 64      // of one stream that are remembered
	maxJump = 1 << 32 // numbers that one gap counts for, so that the sums of a hostile server fit
)

// A sequence follows the numbers that one stream reads, over its connections. What it remembers
// is bounded: the greatest number, and the last gaps below it. In the usual case there are none.
type sequence struct {
	started     bool
	first, last int64 // the number that the stream started with, and the greatest one
	gaps        []gap // ascending: numbers between first and last that were not read

	missing    int64
	repeated   int64
	outOfOrder int64
	jumps      int64 // steps to a greater number that left some out,
	steps      int64 // of so many
}

type gap struct{ from, to int64 } // inclusive

// What a number is to the ones that a stream has read.
type order int

const (
	inOrder  order = iota
	skipping       // some before it were left out
	belated        // it came after a greater one
	again          // it was read before
)

// read notes a number.
func (s *sequence) read(n int64) order {
	switch {
	case !s.started:
		s.started, s.first, s.last = true, n, n
		return inOrder
	case n > s.last:
		s.steps++
		was := s.last
		s.last = n
		if n == was+1 {
			return inOrder
		}
		s.jumps++
		s.skip(gap{was + 1, n - 1})
		return skipping
	case n < s.first: // whether it was read cannot be known
		s.outOfOrder++
		return belated
	}
	i, found := slices.BinarySearchFunc(s.gaps, n, func(g gap, n int64) int {
		switch {
		case g.to < n:
			return -1
		case g.from > n:
			return 1
		}
		return 0
	})
	if !found {
		s.repeated++
		return again
	}
	s.outOfOrder++
	s.missing--
	s.fill(i, n)
	return belated
}

// skip notes that numbers were left out. The oldest gap is forgotten if there are too many: its
// numbers stay missing, and count as repeated if they come nevertheless.
func (s *sequence) skip(g gap) {
	if uint64(g.to)-uint64(g.from) >= maxJump {
		g.from = g.to - maxJump + 1
	}
	s.missing += g.to - g.from + 1
	if len(s.gaps) == maxGaps {
		s.gaps = slices.Delete(s.gaps, 0, 1)
	}
	s.gaps = append(s.gaps, g)
}

// fill takes n out of gap i.
func (s *sequence) fill(i int, n int64) {
	switch g := &s.gaps[i]; {
	case g.from == g.to:
		s.gaps = slices.Delete(s.gaps, i, i+1)
	case n == g.from:
		g.from++
	case n == g.to:
		g.to--
	case len(s.gaps) == maxGaps:
		g.from = n + 1 // the part before n is forgotten
	default:
		before := gap{g.from, n - 1}
		g.from = n + 1
		s.gaps = slices.Insert(s.gaps, i, before)
	}
}
