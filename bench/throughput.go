package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"
)

// check returns what is wrong with what s makes of c, or nil. A limit makes nothing of it.
func check(s Subject, c Corpus, limit time.Duration) error {
	if s.Events == nil {
		return nil
	}
	r := &deadline{&memory{stream: c.Stream(), times: 1, piece: c.Piece}, time.Now().Add(limit)}
	n := 0
	for ev, err := range s.Events(r) {
		if err != nil {
			return fmt.Errorf("after %d of %d events: %w", n, c.N, err)
		}
		if n == c.N {
			return fmt.Errorf("more than the %d events", n)
		}
		want := c.Event(n)
		switch {
		case ev.Data != want.Data:
			return fmt.Errorf("wrong data in event %d of %d", n+1, c.N)
		case ev.LastEventID != want.LastEventID && ev.LastEventID == "":
			return errNoIDs
		case ev != want:
			return fmt.Errorf("wrong type or ID in event %d of %d", n+1, c.N)
		}
		n++
	}
	if n != c.N {
		return fmt.Errorf("%d of %d events", n, c.N)
	}
	return nil
}

// patience is for reading a corpus once: a hundred times what any of them has to take.
const patience = 2 * time.Second

// errNoIDs is the error of Check for a client that reads the data well and gives no IDs.
var errNoIDs = errors.New("gives no IDs")

// Throughput is what one subject took for one corpus.
type Throughput struct {
	Corpus  string
	Subject string
	Fails   string  // what check found wrong
	Times   Samples // nanoseconds per block of the corpus, one for each round
	Allocs  float64 // per block
}

// measureThroughput times each subject on each corpus. A turn is one long stream: the corpus
// again and again. In each of a corpus's rounds all subjects have a turn, in random order:
// what slows the machine down for a while slows them all. Corpora of one event have five rounds.
// A client that fails a corpus is not timed on it, unless it only lacks the IDs.
func measureThroughput(corpora []Corpus, subjects []Subject, rounds int, turn time.Duration) []Throughput {
	var results []Throughput
	for _, c := range corpora {
		n := rounds
		if c.N == 1 {
			n = min(rounds, 5)
		}
		results = append(results, measureCorpus(c, subjects, n, turn)...)
	}
	return results
}

func measureCorpus(c Corpus, subjects []Subject, rounds int, turn time.Duration) []Throughput {
	type task struct {
		s     Subject
		times int
		res   *Throughput
	}
	stream := c.Stream()
	results := make([]Throughput, len(subjects))
	var tasks []task
	for i, s := range subjects {
		results[i] = Throughput{Corpus: c.Name, Subject: s.Name}
		if err := check(s, c, patience); err != nil {
			results[i].Fails = err.Error()
			if err != errNoIDs {
				continue
			}
		}
		t := task{s: s, res: &results[i]}
		start := time.Now()
		drain(s, c, stream, 1)
		took := time.Since(start)
		if took > patience { // just over it, so that check let it pass
			results[i].Fails = errSlow.Error()
			continue
		}
		t.times = max(1, int(turn/took))
		t.res.Allocs = allocs(func() { drain(s, c, stream, t.times) }) / float64(t.times*c.Blocks)
		tasks = append(tasks, t)
	}
	for range rounds {
		runtime.GC()
		rand.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
		for _, t := range tasks {
			start := time.Now()
			drain(t.s, c, stream, t.times)
			t.res.Times = append(t.res.Times, float64(time.Since(start).Nanoseconds())/float64(t.times*c.Blocks))
		}
	}
	return results
}

func drain(s Subject, c Corpus, stream []byte, times int) {
	n, err := s.Drain(&memory{stream: stream, times: times, piece: c.Piece})
	if err != nil || n == 0 {
		panic(fmt.Sprintf("%s, which passed the check of %s, read %d bytes of data and failed: %v", s.Name, c.Name, n, err))
	}
}

// allocs returns how many allocations f makes, on all goroutines.
func allocs(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}
