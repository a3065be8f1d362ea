package check

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check/capture"
	"github.com/lastevent/sse/cmd/sse/internal/check/wire"
)

var resumeIDs = []string{"no-resume", "resume-repeats", "resume-gap"}

const (
	bogusID    = "sse-check-no-such-id"
	maxBack    = 5                // events back that the resumption begins
	resumeTime = 2 * time.Second  // how long a resumption is watched at least,
	resumeMost = 10 * time.Second // and at most
)

// checkResumption reconnects after an older event, after the newest, after an ID that never
// was, and without one.
func (c *checker) checkResumption(ctx context.Context, base *stream) {
	r := c.report
	if !base.open() || !base.readable {
		r.unverified(noStream, append([]string{"no-ids"}, resumeIDs...)...)
		return
	}
	if c.method != http.MethodGet && c.as != "mcp" {
		r.unverified(c.method+" is not resumed", append([]string{"no-ids"}, resumeIDs...)...)
		return
	}
	c.checkIDs(base.scan)
	if c.kicked {
		return
	}
	old := resumable(base.scan.Events)
	switch {
	case !base.scan.HasID:
		r.unverified("there are no IDs", resumeIDs...)
		return
	case len(old) < 2:
		r.unverified("it needs two events with different IDs while it is watched", resumeIDs...)
		return
	}
	back := min(maxBack, len(old)-1)
	from := old[len(old)-1-back]
	c.progress("resuming after %s …", safe(from.ID))
	resume := func(name, id string) *capture.Exchange {
		req := c.request(name)
		if c.as == "mcp" {
			req.Method, req.Body = http.MethodGet, nil
			req.Header.Del("Content-Type")
			req.Header.Set("Accept", "text/event-stream")
		}
		if id != "" {
			req.Header.Set("Last-Event-ID", id)
		}
		return c.start(ctx, req)
	}
	xs := []*capture.Exchange{resume("after an older event", from.ID)}
	if c.as != "mcp" { // there an ID names its stream, of which a client can have only one
		xs = append(xs, resume("after the newest event", old[len(old)-1].ID), resume("after an unknown ID", bogusID), resume("without an ID", ""))
	}
	for _, x := range xs {
		defer x.Stop()
	}
	c.watchResumption(ctx, xs, base, old[len(old)-back])
	var seen []*stream
	for _, x := range xs {
		x.Stop()
		seen = append(seen, readStream(x.View()))
	}
	if ctx.Err() != nil {
		return
	}
	if len(seen) == 1 {
		c.judgeOlder(seen[0], seen[0], old, back)
	} else {
		if c.judgeOlder(seen[0], seen[1], old, back) {
			c.judgeNewest(seen[1], old)
		}
		c.judgeUnknown(seen[2], seen[3])
	}
	r.pass(resumeIDs...)
}

// resumable returns the events that have an ID of their own which a header can carry, and
// which no other event has.
func resumable(events []wire.Event) (found []wire.Event) {
	count := make(map[string]int)
	for _, ev := range events {
		count[ev.ID]++
	}
	for _, ev := range events {
		if ev.OwnID && ev.ID != "" && count[ev.ID] == 1 && wire.Resumable(ev.ID) {
			found = append(found, ev)
		}
	}
	return found
}

// watchResumption watches until the awaited event has come to the first of the connections,
// or for as long as that may take in a stream that makes each anew.
func (c *checker) watchResumption(ctx context.Context, xs []*capture.Exchange, base *stream, awaited wire.Event) {
	apart := moments(base.complete)
	most := resumeTime
	if len(apart) > 1 {
		most += 2 * (apart[len(apart)-1] - apart[0]) / time.Duration(len(apart)-1)
	}
	most = min(most, resumeMost)
	begin := time.Now()
	for ; ctx.Err() == nil && time.Since(begin) < most; time.Sleep(step) {
		ended := 0
		for _, x := range xs {
			if x.View().Ended {
				ended++
			}
		}
		if ended == len(xs) {
			return
		}
		if time.Since(begin) < resumeTime {
			continue
		}
		first := readStream(xs[0].View())
		if last := readStream(xs[len(xs)-1].View()); index(first.scan.Events, awaited) >= 0 && last.scan.Count > 0 {
			return
		}
	}
}

// index returns where the event with an ID is among others. What it says may be made anew.
func index(events []wire.Event, ev wire.Event) int {
	return slices.IndexFunc(events, func(e wire.Event) bool { return e.OwnID && e.ID == ev.ID })
}

// count returns how many of the wanted events are among others.
func count(events, wanted []wire.Event) (n int) {
	for _, ev := range wanted {
		if index(events, ev) >= 0 {
			n++
		}
	}
	return n
}

// judgeOlder judges a resumption after the event that is so many back in old. What a
// resumption after the newest one brought shows whether the stream simply began again. It
// reports whether the server resumes at all.
func (c *checker) judgeOlder(s, newest *stream, old []wire.Event, back int) (resumes bool) {
	r := c.report
	at := len(old) - 1 - back
	from, after := old[at], old[at+1:]
	asked := fmt.Sprintf("After Last-Event-ID: %s", safe(from.ID))
	if c.refused(s, asked) {
		return false
	}
	got := s.scan.Events
	if len(got) == 0 {
		r.find("no-resume", Problem, fmt.Sprintf("%s, no event came within %s, though %d had followed it.", asked, seconds(s.Until()-s.Sent), len(after)))
		return false
	}
	repeated := count(got, old[:at+1])
	last, missing := -1, 0 // the latest of those that followed it and came, and those before it that did not
	for i, ev := range after {
		if index(got, ev) >= 0 {
			last = i
		}
	}
	for _, ev := range after[:last+1] {
		if index(got, ev) < 0 {
			missing++
		}
	}
	newer := slices.ContainsFunc(got, func(ev wire.Event) bool { return index(old, ev) < 0 })
	if newer { // then all that followed should have come before
		for _, ev := range after[last+1:] {
			if index(got, ev) < 0 {
				missing++
			}
		}
	}
	switch {
	case missing == len(after) && repeated == 0:
		r.find("no-resume", Problem, fmt.Sprintf("%s, none of the %d events came that had followed it, and newer ones did: they are lost.", asked, len(after)))
		return false
	case repeated > 1 && index(got, old[0]) >= 0, repeated > 0 && count(newest.scan.Events, old) == len(old):
		r.find("no-resume", Problem, fmt.Sprintf("%s, the stream began again: %d events came that the client has had.", asked, repeated))
		return false
	case repeated > 0:
		r.find("resume-repeats", Risk, fmt.Sprintf("%s, %d of the events that the client has had came again.", asked, repeated))
	}
	if missing > 0 && missing < len(after) || missing > 0 && repeated > 0 {
		r.find("resume-gap", Problem, fmt.Sprintf("%s, %d of the %d events are missing that had followed it.", asked, missing, len(after)))
	}
	return true
}

// refused reports a resumption that was not answered with a stream.
func (c *checker) refused(s *stream, asked string) bool {
	switch {
	case s.Response == nil:
		c.report.unverified(asked+", no header came", resumeIDs...)
	case !s.open():
		c.report.find("no-resume", Problem, fmt.Sprintf("%s, the answer is %s.", asked, safe(s.Response.Status)))
	default:
		return false
	}
	return true
}

// judgeNewest judges a resumption after the newest event that had been seen.
func (c *checker) judgeNewest(s *stream, old []wire.Event) {
	asked := fmt.Sprintf("After the newest event's Last-Event-ID: %s", safe(old[len(old)-1].ID))
	if c.refused(s, asked) {
		return
	}
	if repeated := count(s.scan.Events, old); repeated > 0 {
		c.report.find("resume-repeats", Risk, fmt.Sprintf("%s, %d of %d events came again.", asked, repeated, len(old)))
	}
}

// judgeUnknown judges a resumption after an ID that never was, beside a connection without
// one.
func (c *checker) judgeUnknown(s, control *stream) {
	asked := "After an unknown Last-Event-ID"
	switch {
	case s.Response != nil && s.Response.StatusCode != http.StatusOK:
		f := c.report.find("no-resume", Problem, fmt.Sprintf("%s, the answer is %s: a client that was away for longer than the log reaches ends for good.", asked, safe(s.Response.Status)))
		if len(f.Evidence) == 1 {
			f.Cause = "The server refuses IDs that it does not know, or can no longer find."
		}
	case control.open() && control.scan.Count > 0 && s.scan.Count == 0:
		f := c.report.find("no-resume", Problem, fmt.Sprintf("%s, no event came, and %d came beside it on a connection without one.", asked, control.scan.Count))
		if len(f.Evidence) == 1 {
			f.Cause = "The server waits for an ID that it does not know, or can no longer find."
		}
	}
}
