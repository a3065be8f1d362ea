package load

import (
	"slices"
	"sync"
	"time"
)

const (
	stormStep    = 100 * time.Millisecond
	stormWindow  = 10              // steps within which many drops are a storm
	stormDrops   = time.Minute     // the longest time over which a storm drops connections; then it is another one
	stormLength  = 5 * time.Minute // of Per100ms
	maxStorms    = 100             // that are reported
	leastDropped = 5               // connections; fewer that end together are no storm
	stormPart    = 10              // and one in so many of those that were open
	maxSteps     = int(stormLength / stormStep)
)

const (
	causeKill   = "kill"
	causeServer = "server"
)

// storms finds out when many connections end at about the same time, and follows the streams
// that they belonged to until they are open again.
type storms struct {
	least int // drops that are a storm

	mu      sync.Mutex
	recent  []*cohort // of the last second, ascending
	current *storm    // which the server is causing; nil: none
	all     []*storm
}

// A cohort is the streams whose connections ended in the same 100 ms. It keeps what they do until it is
// known whether they are part of a storm.
type cohort struct {
	step     int64
	first    time.Duration // drop
	drops    int
	storm    *storm // nil: none yet
	attempts []time.Duration
	back     []time.Duration
	gone     int
}

type storm struct {
	Storm
	last     time.Duration // drop
	returned []time.Duration
	gone     int // streams that are over
	settled  bool
}

func newStorms(least int) *storms { return &storms{least: least} }

func stepOf(t time.Duration) int64 { return int64(t / stormStep) }

// drop notes that the server ended a connection while so many others are open.
func (s *storms) drop(now time.Duration, open int) *cohort {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && (now-s.current.last > stormWindow*stormStep || now-s.current.At > stormDrops) {
		s.current = nil
	}
	c := s.cohort(now)
	c.drops++
	if s.current != nil {
		if c.storm == nil {
			s.current.join(c)
		} else {
			s.current.Dropped++
		}
		s.current.last = now
		return c
	}
	dropped := 0
	for _, c := range s.recent {
		if c.storm == nil {
			dropped += c.drops
		}
	}
	if dropped >= s.least && dropped*stormPart >= open+dropped && len(s.all) < maxStorms {
		for _, c := range s.recent {
			if c.storm != nil {
				continue
			}
			if s.current == nil {
				s.current = s.begin(causeServer, c.first)
			}
			s.current.join(c)
		}
		s.current.last = now
	}
	return c
}

// cohort returns that of the drops at now.
func (s *storms) cohort(now time.Duration) *cohort {
	step := stepOf(now)
	s.recent = slices.DeleteFunc(s.recent, func(c *cohort) bool { return c.step <= step-stormWindow })
	if n := len(s.recent); n > 0 {
		if c := s.recent[n-1]; c.step == step && (c.storm == nil || c.storm == s.current) {
			return c
		}
	}
	c := &cohort{step: step, first: now}
	s.recent = append(s.recent, c)
	return c
}

// kill begins a storm that Run causes. It returns nil if there were too many.
func (s *storms) kill(now time.Duration) *cohort {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &cohort{step: stepOf(now), first: now}
	if len(s.all) < maxStorms {
		s.begin(causeKill, now).join(c)
	}
	return c
}

// killed notes that a connection of a cohort that kill made has ended.
func (s *storms) killed(c *cohort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.drops++
	if c.storm != nil {
		c.storm.Dropped++
	}
}

func (s *storms) begin(cause string, at time.Duration) *storm {
	st := &storm{Storm: Storm{At: at, Cause: cause}, last: at}
	s.all = append(s.all, st)
	return st
}

// attempt notes that a stream of c sends a request.
func (s *storms) attempt(c *cohort, now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.storm != nil:
		c.storm.attempt(now)
	case stepOf(now) < c.step+stormWindow:
		c.attempts = append(c.attempts, now)
	}
}

// back notes that a stream of c is open again.
func (s *storms) back(c *cohort, now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.storm != nil:
		c.storm.back(now)
	case stepOf(now) < c.step+stormWindow:
		c.back = append(c.back, now)
	}
}

// over notes that a stream of c is over.
func (s *storms) over(c *cohort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.gone++
	if c.storm != nil {
		c.storm.gone++
	}
}

// join makes the streams of c part of the storm.
func (st *storm) join(c *cohort) {
	c.storm = st
	st.Dropped += c.drops
	st.gone += c.gone
	for _, t := range c.attempts {
		st.attempt(t)
	}
	for _, t := range c.back {
		st.back(t)
	}
	c.attempts, c.back = nil, nil
}

func (st *storm) attempt(now time.Duration) {
	st.Attempts++
	st.Per100ms = count(st.Per100ms, stepOf(now)-stepOf(st.At))
}

func (st *storm) back(now time.Duration) {
	st.Back++
	st.BackPer100ms = count(st.BackPer100ms, stepOf(now)-stepOf(st.At))
	if !st.settled {
		st.returned = append(st.returned, now-st.At)
	}
}

// count adds one to the counter of a step, which it makes if need be.
func count(steps []int64, step int64) []int64 {
	if step < 0 || step >= int64(maxSteps) {
		return steps
	}
	for int64(len(steps)) <= step {
		steps = append(steps, 0)
	}
	steps[step]++
	return steps
}

// settle reduces the storms whose streams are all back, or over, to their figures.
func (s *storms) settle(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.all {
		if !st.settled && st.Back+st.gone >= st.Dropped && now-st.last > stormDrops {
			st.figures()
			st.settled, st.returned = true, nil
		}
	}
}

// report returns the storms so far.
func (s *storms) report() []Storm {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Storm
	for _, st := range s.all {
		if !st.settled {
			st.figures()
		}
		all = append(all, st.Storm)
	}
	slices.SortStableFunc(all, func(a, b Storm) int { return int(a.At - b.At) })
	return all
}

// figures computes what follows from the times at which streams returned.
func (st *storm) figures() {
	slices.Sort(st.returned)
	// of returns when a part of the streams was back, 0 if it is not.
	of := func(percent int) time.Duration {
		n := (st.Dropped*percent + 99) / 100
		if n == 0 || n > len(st.returned) {
			return 0
		}
		return max(st.returned[n-1], 1)
	}
	st.Back50, st.Back99, st.Back100 = of(50), of(99), of(100)
	for _, n := range st.Per100ms {
		st.Busiest = max(st.Busiest, n)
	}
}
