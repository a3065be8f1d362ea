package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check/wire"
)

const (
	tooLate   = time.Second     // what a stream may lag behind one beside it, in the median
	muchLater = 3 * time.Second // where there is only one event to compare
	beside    = 250 * time.Millisecond
)

// A comparison is of two connections that were made beside each other and differ in one
// thing.
type comparison struct {
	known   bool   // whether they could be compared
	why     string // if not
	held    bool   // the second lags behind the first
	lags    []time.Duration
	median  time.Duration
	never   int  // events that did not come at all while both were watched
	oneLate bool // each event of the second comes only with the one after it
	shape   bool // their events are not the same ones: only the times could be compared
	bytes   bool // the second cannot be read: its bytes could be compared
}

// compare looks for what ref has earlier than other.
func compare(ref, other *stream) comparison {
	switch {
	case !ref.open():
		return comparison{why: "the first has no stream to compare it with"}
	case other.Response != nil && !other.open():
		return comparison{why: fmt.Sprintf("it was answered with %s", safe(other.Response.Status))}
	case other.Response == nil && other.Ended:
		return comparison{why: fmt.Sprintf("the connection failed: %s", safe(errorText(other.Err)))}
	case len(ref.complete) == 0:
		return comparison{why: "no event came while it was watched"}
	case other.readable && sameEvents(ref, other):
		return compareEvents(ref, other)
	}
	return compareShape(ref, other)
}

// sameEvents reports whether other has events that ref has, or none at all.
func sameEvents(ref, other *stream) bool {
	if len(other.scan.Events) == 0 {
		return true
	}
	keys := make(map[uint64]bool)
	for _, ev := range ref.scan.Events {
		keys[ev.Key] = true
	}
	return slices.ContainsFunc(other.scan.Events, func(ev wire.Event) bool { return keys[ev.Key] })
}

// compareEvents compares when the same events came.
func compareEvents(ref, other *stream) (c comparison) {
	until := min(ref.Until(), other.Until())
	late := max(0, other.Sent-ref.Sent) // other was asked later, and a stream may start anew for each
	times := make(map[uint64][]time.Duration)
	for i, ev := range other.scan.Events {
		times[ev.Key] = append(times[ev.Key], other.complete[i])
	}
	foreign := 0 // events that ref should have got, and has not
	known := make(map[uint64]bool)
	for _, ev := range ref.scan.Events {
		known[ev.Key] = true
	}
	for i, ev := range other.scan.Events {
		if !known[ev.Key] && other.complete[i] < until-tooLate {
			foreign++
		}
	}
	for i, ev := range ref.scan.Events {
		at := ref.complete[i]
		if at > until {
			break
		}
		// The same content may come again and again: the next one after that time counts.
		later := slices.IndexFunc(times[ev.Key], func(t time.Duration) bool { return t >= at-beside })
		switch {
		case later >= 0:
			c.lags = append(c.lags, max(0, times[ev.Key][later]-at-late))
		case len(times[ev.Key]) > 0: // it was replayed to other before ref got it
			c.lags = append(c.lags, 0)
		case at > other.Sent+beside && until-at > late:
			c.lags = append(c.lags, until-at-late)
			c.never++
		}
	}
	if c.never > 0 && foreign > 0 {
		return compareShape(ref, other)
	}
	if len(c.lags) == 0 {
		return comparison{why: "no event came on both connections while they were watched"}
	}
	c.known = true
	sorted := slices.Sorted(slices.Values(c.lags))
	c.median = sorted[len(sorted)/2]
	c.oneLate = isOneLate(ref, other, times, 0) && isOneLate(ref, other, times, late)
	c.held = len(c.lags) > 1 && sorted[(len(sorted)-1)/2] > tooLate || len(c.lags) == 1 && c.median > muchLater || c.oneLate
	return c
}

// isOneLate reports whether most events come to other when the next one comes to ref, and
// not before: what holds them back waits for more, and is found even where that is soon.
// Other may be later by a start.
func isOneLate(ref, other *stream, times map[uint64][]time.Duration, start time.Duration) bool {
	compared, late := 0, 0
	for i, ev := range ref.scan.Events {
		if i+1 == len(ref.scan.Events) || len(times[ev.Key]) != 1 {
			continue
		}
		at, next := ref.complete[i], ref.complete[i+1]
		gap, lag := next-at, times[ev.Key][0]-at-start
		if gap < 200*time.Millisecond || at < other.Header {
			continue
		}
		compared++
		if lag > gap*3/4 && lag < gap*3/2 {
			late++
		}
	}
	return compared >= 4 && late*4 >= compared*3
}

// compareShape compares how events, or bytes, are spread over time, where the events of the
// two are not the same ones.
func compareShape(ref, other *stream) comparison {
	c := comparison{shape: true, bytes: !other.readable}
	until := min(ref.Until(), other.Until())
	within := func(times []time.Duration) (in []time.Duration) {
		for _, t := range moments(times) {
			if t <= until && t > other.Sent {
				in = append(in, t)
			}
		}
		return in
	}
	a, b := within(ref.complete), within(other.arrivals())
	if len(a) < 4 || a[len(a)-1]-a[0] < 2*time.Second {
		return comparison{why: "too few events came apart from each other while it was watched"}
	}
	c.known = true
	if len(b)*4 > len(a) {
		return c
	}
	// What came as seldom as that is late by the time to its next arrival.
	for _, t := range a {
		next := until
		if i := slices.IndexFunc(b, func(u time.Duration) bool { return u >= t-beside }); i >= 0 {
			next = b[i]
		} else {
			c.never++
		}
		c.lags = append(c.lags, max(0, next-t))
	}
	sorted := slices.Sorted(slices.Values(c.lags))
	c.median = sorted[len(sorted)/2]
	c.held = c.median > tooLate
	return c
}

// text describes the lag for a report: of the second connection behind the first, which are
// called what fits after "came".
func (c comparison) text(second, first string) string {
	switch {
	case c.oneLate:
		return fmt.Sprintf("Each event came %s only when the next one did, and %s at once. The median lag is %s.", second, first, seconds(c.median))
	case c.never == len(c.lags):
		return fmt.Sprintf("None of %d events came %s, while they came %s.", c.never, second, first)
	}
	text := fmt.Sprintf("%d of %d events came more than %s later %s than %s; the median lag is %s", c.late(), len(c.lags), seconds(tooLate), second, first, seconds(c.median))
	if c.never > 0 {
		text += fmt.Sprintf(", and %d did not come at all while it was watched", c.never)
	}
	return text + "."
}

func (c comparison) late() (n int) {
	for _, lag := range c.lags {
		if lag > tooLate {
			n++
		}
	}
	return n
}
