package load

import (
	"math"
	"sync/atomic"
	"time"
)

const none = math.MinInt64 // no number

// A topic is what several streams follow: they are sent the same events.
type topic struct {
	index   int
	streams int // that follow it; written before they start

	// greatest is the greatest number that any of its streams has read. Slow ones do not count.
	greatest atomic.Int64
	// forgotten is the greatest number that the window of events has left: see skew.
	forgotten atomic.Int64

	past []int64 // greatest, at the last ticks; the ticker's
}

func newTopic(index int) *topic {
	t := &topic{index: index}
	t.greatest.Store(none)
	t.forgotten.Store(none)
	return t
}

// raise sets v to n, if that is greater.
func raise(v *atomic.Int64, n int64) {
	for {
		old := v.Load()
		if n <= old || v.CompareAndSwap(old, n) {
			return
		}
	}
}

// tick notes how far the topic is, and returns how far it was stall ago. It is called once a tick.
func (t *topic) tick(stall time.Duration) (before int64) {
	n := max(1, int((stall+tick-1)/tick))
	before = none
	if len(t.past) == n {
		before = t.past[0]
		copy(t.past, t.past[1:])
		t.past = t.past[:n-1]
	}
	t.past = append(t.past, t.greatest.Load())
	return before
}
