package load

import (
	"sync"
	"time"
)

const (
	tick        = time.Second // a step, to begin with
	maxTimeline = 3600        // steps
)

// A timeline has a step for each second of the run. When there would be too many, every two steps
// are joined, and a step is twice as long from then on.
type timeline struct {
	mu    sync.Mutex
	step  time.Duration
	steps []Second
}

func newTimeline() *timeline { return &timeline{step: tick} }

// add adds what happened in a second. At is its beginning.
func (t *timeline) add(s Second) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s.At/t.step >= maxTimeline {
		t.step *= 2
		var joined []Second
		for _, s := range t.steps {
			joined = t.append(joined, s)
		}
		t.steps = joined
	}
	t.steps = t.append(t.steps, s)
}

func (t *timeline) append(steps []Second, s Second) []Second {
	s.At -= s.At % t.step
	n := len(steps)
	if n == 0 || steps[n-1].At != s.At {
		return append(steps, s)
	}
	last := &steps[n-1]
	last.Due, last.Open = s.Due, s.Open
	last.Events += s.Events
	last.Bytes += s.Bytes
	last.Attempts += s.Attempts
	last.Drops += s.Drops
	last.EventP50, last.EventP99 = max(last.EventP50, s.EventP50), max(last.EventP99, s.EventP99)
	last.SkewP50, last.SkewP99 = max(last.SkewP50, s.SkewP50), max(last.SkewP99, s.SkewP99)
	return steps
}

// setSkew adds the skew of a second that was added before.
func (t *timeline) setSkew(second int64, p50, p99 time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := int(time.Duration(second) * tick / t.step); i < len(t.steps) {
		s := &t.steps[i]
		s.SkewP50, s.SkewP99 = max(s.SkewP50, p50), max(s.SkewP99, p99)
	}
}

// report returns the steps so far, and how long each is.
func (t *timeline) report() (time.Duration, []Second) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.step, append([]Second{}, t.steps...)
}
