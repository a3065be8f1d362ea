package load

import (
	"fmt"
	"time"
)

const reportVersion = 1

// A mark is what was counted at some time.
type mark struct {
	at            time.Duration
	events, bytes int64
}

func (r *run) mark() mark {
	m := mark{at: r.now()}
	for _, st := range r.streams[:r.started.Load()] {
		m.events += st.events.Load()
		m.bytes += st.bytes.Load()
	}
	return m
}

// stop ends the counting, and returns the report of what does not need the streams to have ended.
// Their memory grew from what it was before, and they have been held since the ramp.
func (r *run) stop(t *ticker, memory int64, ramp mark) *Report {
	end := r.mark()
	r.stopped.Store(true)
	states := make(map[int32]int)
	for _, st := range r.streams[:r.started.Load()] {
		states[st.state.Load()]++
	}
	opened := states[isOpen] + states[away] + states[done] + states[lost]
	t.finish()
	report := &Report{
		Version: reportVersion,
		Started: r.start.Round(0),
		Elapsed: end.at,
		Streams: Streams{
			Asked:      r.cfg.Streams,
			Opened:     opened,
			Held:       states[isOpen],
			Away:       states[away],
			Done:       states[done],
			Lost:       states[lost],
			Refused:    r.cfg.Streams - opened,
			Drops:      int(r.drops.Load()),
			Killed:     int(r.killed.Load()),
			Reconnects: int(r.reconnects.Load()),
		},
		Traffic: Traffic{Events: end.events, Bytes: end.bytes},
		Storms:  r.storms.report(),
	}
	for _, u := range r.cfg.URLs {
		report.URLs = append(report.URLs, cleanURL(u))
	}
	if held := (end.at - ramp.at).Seconds(); held > 0 {
		report.Traffic.EventsPerSecond = float64(end.events-ramp.events) / held
		report.Traffic.BytesPerSecond = float64(end.bytes-ramp.bytes) / held
	}
	if grown := residentMemory() - memory; grown > 0 && states[isOpen] > 0 {
		report.Client.BytesPerStream = grown / int64(states[isOpen])
	}
	report.Stopped = r.stoppedBy(states[opening])
	return report
}

// complete adds to the report what is known when all goroutines have ended.
func (r *run) complete(report *Report) {
	report.Latency = Latencies{
		Connect:    r.connect.distribution(),
		Header:     r.header.distribution(),
		FirstEvent: r.firstEvent.distribution(),
		FirstSays:  r.firstSays.distribution(),
		Event:      r.event.distribution(),
		Skew:       r.skew.all.distribution(),
		Late:       r.late.distribution(),
		Reconnect:  r.reconnect.distribution(),
	}
	report.Ends, report.Failures = r.ends.counts(), r.failures.counts()
	report.Sequence = r.sequences()
	report.Step, report.Timeline = r.timeline.report()
	bytesPerStream := report.Client.BytesPerStream
	report.Client = r.clock.process(report.Elapsed)
	report.Client.BytesPerStream, report.Client.Files = bytesPerStream, r.limits.Files
	if r.publisher != nil {
		report.Publish = r.publisher.report()
	}
	for _, st := range r.streams {
		if st.slow {
			report.Streams.Slow++
		}
	}
}

// sequences adds up what the streams' numbers show.
func (r *run) sequences() Sequence {
	var all Sequence
	var steps, jumps int64
	for _, st := range r.streams {
		all.Numbered += st.numbered
		all.Missing += st.sequence.missing
		all.Repeated += st.sequence.repeated
		all.OutOfOrder += st.sequence.outOfOrder
		steps, jumps = steps+st.sequence.steps, jumps+st.sequence.jumps
	}
	// IDs that are times, say, are numbers that mean nothing here.
	uncounted := r.cfg.Sequence == nil && r.publisher == nil && jumps > steps/2
	if uncounted {
		all.Missing = 0
		all.Note = fmt.Sprintf("%d of %d IDs did not count up by one, so they are no numbers, and what is missing is not known: give Config.Sequence", jumps, steps)
	}
	if r.publisher != nil && all.Missing+all.OutOfOrder > 0 {
		if n := r.publisher.overlapping.Load(); n > 0 {
			all.Note = fmt.Sprintf("the server had %d of the published events before it had answered an earlier one, so it may have sent them in another order: what is out of order or missing may be due to that", n)
		}
	}
	for _, st := range r.streams {
		if st.stalled {
			all.Stalled++
		}
		s := &st.sequence
		if st.stalled || s.repeated > 0 || s.outOfOrder > 0 || s.missing > 0 && !uncounted {
			all.Streams++
		}
	}
	all.Examples = r.examples.list()
	return all
}

// stoppedBy returns whose limit kept streams from being opened, and which; empty if all were. So many are still
// waiting for a header.
func (r *run) stoppedBy(waiting int) string {
	if r.limits.Why != "" {
		return client + ": " + r.limits.Why
	}
	for _, c := range r.refusals.counts() {
		if owner := r.refusals.limit(c.What); owner != "" {
			return fmt.Sprintf("%s: %s (%d streams)", owner, c.What, c.N)
		}
	}
	if waiting > 0 {
		return fmt.Sprintf("%s: no answer before the run ended (%d streams)", server, waiting)
	}
	return ""
}
