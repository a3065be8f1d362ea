package check

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check/capture"
)

const (
	maxSilence = time.Minute     // without a byte, as ssetest.TestHandler has it
	minIdle    = 2 * time.Second // the shortest idle limit that is looked for
	lanes      = 2               // connections that are watched at a time by -for
	kickTime   = 2 * time.Second // within which a server ends a stream when another one opens
	maxEnds    = 40              // ends after which the watch is over
)

// An ending is how a connection ended that was not ended by the check.
type ending struct {
	name    string
	age     time.Duration // since the header
	silence time.Duration // since the last byte
	longest time.Duration // the longest silence before that
	clean   bool
	err     error
}

// noteEnds notes which of the connections ended that were watched beside each other.
func (c *checker) noteEnds(ctx context.Context, probes []*probe) {
	for _, p := range probes {
		if !p.s.open() || !p.s.Ended || p.name == nameGET {
			continue
		}
		c.ends = append(c.ends, endOf(p.s.View))
	}
	for _, p := range probes {
		for _, q := range probes {
			if p.s.open() && p.s.Ended && q.s.open() && !q.s.Ended && p.s.End-q.s.Header < kickTime {
				c.checkKicked(ctx, p.s.End-p.s.Header)
				return
			}
		}
	}
}

// checkKicked verifies a suspicion: that a stream of some age ended because another one
// opened. It opens one, and another when the first is older than that.
func (c *checker) checkKicked(ctx context.Context, age time.Duration) {
	first := c.start(ctx, c.request("the first"))
	defer first.Stop()
	ended := func(v capture.View) bool { return v.Ended }
	wait(ctx, age+kickTime, first, ended)
	if v := first.View(); v.Ended || v.Response == nil {
		return
	}
	second := c.start(ctx, c.request("the second"))
	defer second.Stop()
	opened := time.Now()
	wait(ctx, kickTime, first, ended)
	if !first.View().Ended || second.View().Ended {
		return
	}
	f := c.report.find("random-cut", Problem, fmt.Sprintf("A stream that was open for %s ended %s after another one had been opened, twice.", seconds(age+kickTime), seconds(time.Since(opened))))
	f.Cause = "The server ends a client's stream when another one opens: it serves one client at a time, or one for each user."
	c.kicked = true
}

func endOf(v capture.View) ending {
	return ending{
		name: v.Request.Name, age: v.End - v.Header, silence: v.End - v.Last, longest: v.Longest,
		clean: v.Err == nil, err: v.Err,
	}
}

// checkCuts watches connections for as long as -for says, and judges all ends.
func (c *checker) checkCuts(ctx context.Context, base *stream) {
	r := c.report
	if !base.open() {
		r.unverified(noStream, "idle-cut", "age-cut", "random-cut", "no-heartbeat")
		return
	}
	var silence time.Duration
	if c.watch > 0 && c.as != "llm" {
		silence = c.watchCuts(ctx)
	}
	c.checkHeartbeat(base, silence)
	c.judgeEnds()
	switch {
	case c.as == "llm":
		r.unverified("an answer ends by itself", "idle-cut", "age-cut", "random-cut")
	case c.watch == 0:
		r.unverified("it was watched for seconds only: -for 5m", "idle-cut", "age-cut", "random-cut")
	default:
		r.pass("random-cut")
		r.unverified(fmt.Sprintf("no such cut within %s; a longer limit was not reached", c.watch), "idle-cut", "age-cut")
	}
}

// watchCuts watches connections, one beside the other but not as old, for as long as -for
// says, and returns the longest silence.
func (c *checker) watchCuts(ctx context.Context) (silence time.Duration) {
	until := time.Now().Add(c.watch)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	var open [lanes]*capture.Exchange
	next := [lanes]time.Time{time.Now(), time.Now().Add(min(c.watch/8, 7*time.Second))}
	for ; ctx.Err() == nil && len(c.ends) < maxEnds; time.Sleep(step) {
		for i, x := range open {
			switch {
			case x == nil && time.Now().After(next[i]):
				open[i] = c.start(ctx, c.request(fmt.Sprintf("watch %d", i+1)))
			case x == nil:
			case x.View().Ended && ctx.Err() == nil:
				v := x.View()
				if v.Response != nil && v.Response.StatusCode == http.StatusOK {
					c.ends = append(c.ends, endOf(v))
					silence = max(silence, v.Longest, v.End-v.Last)
				}
				open[i], next[i] = nil, time.Now().Add(time.Second)
			}
		}
		c.progress("watching %d connections for cuts, %s left, %d ends …", lanes, seconds(time.Until(until)), len(c.ends))
	}
	for _, x := range open {
		if x != nil {
			v := x.View()
			x.Stop()
			if v.Response != nil {
				silence = max(silence, v.Longest, v.Now-v.Last)
			}
		}
	}
	return silence
}

// checkHeartbeat judges how long the stream was silent.
func (c *checker) checkHeartbeat(base *stream, silence time.Duration) {
	r := c.report
	heartbeats := 0
	for _, at := range base.scan.Comments {
		if base.readable && base.coding == "" && base.At(int(at))-base.Header > time.Second {
			heartbeats++
		}
	}
	switch {
	case c.as == "llm":
		r.unverified("an answer ends by itself", "no-heartbeat")
	case silence > maxSilence:
		r.find("no-heartbeat", Risk, fmt.Sprintf("Nothing came for %s.", seconds(silence)))
	case heartbeats > 0 || c.watch > maxSilence+10*time.Second:
		r.pass("no-heartbeat")
	default:
		r.unverified("it was watched for too short a time: -for 3m", "no-heartbeat")
	}
}

// judgeEnds says what the ends of connections have in common.
func (c *checker) judgeEnds() {
	var ends []ending
	for _, e := range c.ends {
		if !c.isComplete(e) && !c.kicked {
			ends = append(ends, e)
		}
	}
	r := c.report
	if len(ends) == 0 {
		return
	}
	level := Problem
	if !slices.ContainsFunc(ends, func(e ending) bool { return !e.clean }) {
		level = Risk // it may be meant
	}
	silences, ages := spread(ends, func(e ending) time.Duration { return e.silence }), spread(ends, func(e ending) time.Duration { return e.age })
	idle := silences.equal() && silences.median >= minIdle
	for _, e := range ends {
		idle = idle && e.silence > e.longest+e.longest/5 // an idle limit would have ended it before
	}
	switch {
	case idle:
		f := r.find("idle-cut", level, fmt.Sprintf("%s, each %s after its last byte (%s to %s): %s.", connections(len(ends)), seconds(silences.median), seconds(silences.least), seconds(silences.most), reasons(ends)))
		f.Cause = "A layer ends responses that are silent for " + seconds(silences.median) + ". " + suspects(idleLimits, silences.median, r.servers)
		if ages.equal() {
			f.Evidence = append(f.Evidence, fmt.Sprintf("They were equally old, too (%s): the whole time may be limited instead; events at other times would tell.", seconds(ages.median)))
		}
	case ages.equal() && len(ends) > 1 && ages.median >= minIdle:
		f := r.find("age-cut", level, fmt.Sprintf("%s at the age of %s (%s to %s), %s: %s.", connections(len(ends)), seconds(ages.median), seconds(ages.least), seconds(ages.most), "silent for "+seconds(silences.least)+" to "+seconds(silences.most)+" then", reasons(ends)))
		f.Cause = "A layer limits the whole time of a response to " + seconds(ages.median) + ". " + suspects(ageLimits, ages.median, r.servers)
	default:
		if len(ends) == 1 && level == Problem {
			level = Risk // something may have been restarted
		}
		r.find("random-cut", level, fmt.Sprintf("%s, at ages of %s to %s, silent for %s to %s then: %s.", connections(len(ends)), seconds(ages.least), seconds(ages.most), seconds(silences.least), seconds(silences.most), reasons(ends)))
	}
}

// isComplete reports whether an end is taken to be the stream's own. A clean one is, unless
// it came after silence, or -for asks whether there is a limit.
func (c *checker) isComplete(e ending) bool {
	return e.clean && (c.as == "llm" || c.as == "mcp" || e.age < minIdle || c.watch == 0 && e.silence < minIdle)
}

func connections(n int) string {
	if n == 1 {
		return "1 connection was ended"
	}
	return fmt.Sprintf("%d connections were ended", n)
}

// reasons names the ways in which connections ended.
func reasons(ends []ending) string {
	var texts []string
	for _, e := range ends {
		text := "by a clean end"
		if e.err != nil {
			text = safe(errorText(e.err))
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, ", ")
}

// durations are the range of several.
type durations struct{ least, median, most time.Duration }

func spread(ends []ending, of func(ending) time.Duration) durations {
	var all []time.Duration
	for _, e := range ends {
		all = append(all, of(e))
	}
	slices.Sort(all)
	return durations{all[0], all[len(all)/2], all[len(all)-1]}
}

// equal reports whether they are as close as those of one limit are.
func (d durations) equal() bool { return d.most-d.least <= max(700*time.Millisecond, d.median/20) }
