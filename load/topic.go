package load

import (
	"math"
	"slices"
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

	past []progress // ascending; the ticker's
}

// progress is how far a topic was at some time.
type progress struct {
	at       time.Duration
	greatest int64
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

// reached notes how far the topic is now, and returns how far it was at some time before; none, if it
// is not known.
func (t *topic) reached(now, before time.Duration) int64 {
	if t.streams < 2 {
		return none // nothing to compare
	}
	t.past = append(t.past, progress{now, t.greatest.Load()})
	for len(t.past) > 1 && t.past[1].at <= before {
		t.past = slices.Delete(t.past, 0, 1)
	}
	if t.past[0].at > before {
		return none
	}
	return t.past[0].greatest
}
