package load

import (
	"runtime/debug"
	"sync"
	"time"
)

// A ticker adds up, every second, what the streams did. It is used by one goroutine at a time.
type ticker struct {
	run    *run
	mu     sync.Mutex
	before totals
	next   int64 // the second that is next
	over   bool
	tidied bool // what opening the streams left was given back
}

// totals are sums over all streams.
type totals struct{ events, bytes, attempts, drops int64 }

// follow ticks until done is closed.
func (t *ticker) follow(done <-chan struct{}) {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			t.tick()
		case <-done:
			return
		}
	}
}

// tick adds a second to the timeline, and reports progress.
func (t *ticker) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	r, now := t.run, t.run.now()
	s := t.second(now)
	r.skew.expire(now-skewWindow, r.timeline.setSkew)
	r.storms.settle(now)
	t.stalls(now)
	t.tidy()
	if r.cfg.Progress != nil {
		// A second that has just ended has events that are not everywhere yet.
		s.SkewP50, s.SkewP99 = r.skew.lately(now - 2*tick)
		r.cfg.Progress(t.snapshot(s, now, false))
	}
}

// finish adds the last, shorter second, after which nothing is added.
func (t *ticker) finish() Second {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, now := t.run, t.run.now()
	t.over = true
	if last := time.Duration(t.next) * tick; now > last {
		t.second(now)
	}
	t.stalls(now)
	r.skew.expire(1<<62, r.timeline.setSkew)
	_, steps := r.timeline.report()
	if len(steps) == 0 {
		return Second{}
	}
	return steps[len(steps)-1]
}

func (t *ticker) snapshot(s Second, now time.Duration, done bool) Snapshot {
	r := t.run
	return Snapshot{
		Second: s, Elapsed: now, Asked: r.cfg.Streams, Opened: int(r.openedOnce.Load()), Lost: int(r.lost.Load()), Done: done,
	}
}

// tidy gives back, once, the memory that opening many streams took and holding them does not. It would
// otherwise count as theirs.
func (t *ticker) tidy() {
	r := t.run
	if started := r.started.Load(); !t.tidied && started == int64(len(r.streams)) && started >= 1000 && r.openedOnce.Load() == started {
		t.tidied = true
		debug.FreeOSMemory()
	}
}

// second adds what happened since the last one to the timeline.
func (t *ticker) second(now time.Duration) Second {
	r := t.run
	sum := totals{attempts: r.attempts.Load(), drops: r.drops.Load() + r.killed.Load()}
	for _, st := range r.streams[:r.started.Load()] {
		sum.events += st.events.Load()
		sum.bytes += st.bytes.Load()
	}
	s := Second{
		At: time.Duration(t.next) * tick, Due: r.dueBy(now), Open: int(r.open.Load()),
		Events: sum.events - t.before.events, Bytes: sum.bytes - t.before.bytes,
		Attempts: sum.attempts - t.before.attempts, Drops: sum.drops - t.before.drops,
	}
	s.EventP50, s.EventP99 = r.event.interval()
	r.late.interval()
	r.timeline.add(s)
	t.before, t.next = sum, t.next+1
	return s
}

// dueBy returns how many streams are due.
func (r *run) dueBy(now time.Duration) int {
	if now >= r.cfg.Ramp {
		return r.cfg.Streams
	}
	return int(float64(now) / float64(r.cfg.Ramp) * float64(r.cfg.Streams))
}

// stalls looks for streams that are open, and stay behind the others of their topic.
func (t *ticker) stalls(now time.Duration) {
	r := t.run
	before := make([]int64, len(r.topics)) // how far each topic was Stall ago
	for i, topic := range r.topics {
		before[i] = topic.reached(now, now-r.cfg.Stall)
	}
	for _, st := range r.streams[:r.started.Load()] {
		if st.stalled || st.slow || st.state.Load() != isOpen {
			continue
		}
		since := time.Duration(st.openSince.Load())
		if now-since < 2*tick {
			// What was sent before the stream was open may never be sent to it.
			st.base = st.topic.greatest.Load()
			continue
		}
		reached := max(st.greatest.Load(), st.base)
		if now-since >= r.cfg.Stall && reached < before[st.topic.index] {
			st.stalled = true
			r.examples.stalled(st.i, reached, st.topic.greatest.Load())
		}
	}
}
