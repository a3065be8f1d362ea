package bench

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// Scaling is how the Parser's time for one event grows with the event.
type Scaling struct {
	What  string
	Sizes []string
	Times []Samples // milliseconds, one for each round, for each size
}

// Ratios returns how many times as long each size took as the one before it, half as large.
func (s Scaling) Ratios() []Samples {
	var ratios []Samples
	for i := range s.Times[1:] {
		ratios = append(ratios, s.Times[i+1].Over(s.Times[i]))
	}
	return ratios
}

// measureScaling times lines of 4 to 32 MiB in three sizes of reads, and 50 000 to
// 400 000 lines, all in one event.
func measureScaling(rounds int) []Scaling {
	const mib = 1 << 20
	var results []Scaling
	for _, piece := range []int{1, 1400, 64 << 10} {
		s := Scaling{What: fmt.Sprintf("one line, in reads of %d bytes", piece)}
		var corpora []Corpus
		for size := 4; size <= 32; size *= 2 {
			s.Sizes = append(s.Sizes, fmt.Sprintf("%d MiB", size))
			corpora = append(corpora, oneLine("", "", 1, size*mib, piece))
		}
		if piece == 1 {
			s.measure(corpora, min(rounds, 5)) // it takes a second for each
		} else {
			s.measure(corpora, rounds)
		}
		results = append(results, s)
	}
	s := Scaling{What: "lines of 12 bytes, in reads of 1400 bytes"}
	var corpora []Corpus
	for n := 50_000; n <= 400_000; n *= 2 {
		s.Sizes = append(s.Sizes, fmt.Sprintf("%d 000 lines", n/1000))
		corpora = append(corpora, manyLines("", "", n, 1400))
	}
	s.measure(corpora, rounds)
	return append(results, s)
}

// measure times each corpus in each round. The garbage collector runs in between, not
// meanwhile: when it does depends on all that was allocated before, not on the corpus.
func (s *Scaling) measure(corpora []Corpus, rounds int) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	parser := Ours()[0]
	var streams [][]byte
	for _, c := range corpora {
		streams = append(streams, c.Stream())
	}
	s.Times = make([]Samples, len(corpora))
	for round := range rounds + 1 {
		for i, c := range corpora {
			runtime.GC()
			start := time.Now()
			drain(parser, c, streams[i], 1)
			if round > 0 { // the first one gets the memory from the system
				s.Times[i] = append(s.Times[i], time.Since(start).Seconds()*1e3)
			}
		}
	}
}

// OneRead is the line of 16 MiB of the corpora, in one read.
func OneRead() Corpus { return oneLine("one-line, whole", "the same in one read", 1, 16<<20, 0) }

// EventSizes are corpora of events of one line each, from 64 bytes to 16 MiB, in reads
// of 1400 bytes.
func EventSizes() []Corpus {
	var corpora []Corpus
	for size := 64; size <= 16<<20; size *= 4 {
		corpora = append(corpora, oneLine(fmt.Sprint(size), "", max(1, 1<<20/size), size, 1400))
	}
	return corpora
}
