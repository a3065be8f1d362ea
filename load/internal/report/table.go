package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/assertion"
)

const (
	tableWidth = 79 // columns of a narrow terminal, less one that would wrap
	indent     = 11 // of the text after a label
)

// Table writes a report for a terminal of 80 columns, or more: in one piece, and with no character in
// it that a terminal would obey.
func Table(w io.Writer, r *load.Report, results []assertion.Result) error {
	t := new(table)
	fmt.Fprintln(t, Clip(title(r)+", for "+Time(r.Elapsed), tableWidth))
	t.gap()
	t.streams(r)
	t.times(r)
	t.traffic(r)
	t.ends(r)
	t.storms(r)
	t.client(r)
	t.results(results)
	_, err := io.WriteString(w, Spaces(t.String()))
	return err
}

type table struct{ bytes.Buffer }

// row writes text after a label.
func (t *table) row(label, format string, args ...any) {
	for _, line := range Wrap(Visible(fmt.Sprintf(format, args...)), tableWidth-indent) {
		fmt.Fprintln(t, strings.TrimRight(fmt.Sprintf("%-*s%s", indent, label, line), " "))
		label = ""
	}
}

func (t *table) gap() { fmt.Fprintln(t) }

// title describes the run in a line.
func title(r *load.Report) string {
	text := Plural(r.Streams.Asked, "stream")
	switch len(r.URLs) {
	case 0:
	case 1:
		text += " of " + Visible(r.URLs[0])
	default:
		text += " of " + Visible(r.URLs[0]) + " and " + Plural(len(r.URLs)-1, "other URL")
	}
	return text
}

func (t *table) streams(r *load.Report) {
	s := &r.Streams
	columns := []struct {
		name string
		n    int
	}{{"asked", s.Asked}, {"opened", s.Opened}, {"held", s.Held}, {"away", s.Away}, {"done", s.Done}, {"lost", s.Lost}, {"refused", s.Refused}}
	fmt.Fprintf(t, "%-9s", "Streams")
	for _, c := range columns {
		fmt.Fprintf(t, "%10s", c.name)
	}
	fmt.Fprintf(t, "\n%9s", "")
	for _, c := range columns {
		fmt.Fprintf(t, "%10s", Count(c.n))
	}
	t.gap()
	t.row("", "%s", connections(s))
	if r.Stopped != "" {
		t.row("Limit", "%s", r.Stopped)
	}
	t.gap()
}

// connections describes what became of the connections.
func connections(s *load.Streams) string {
	text := Plural(s.Drops, "drop")
	if s.Killed > 0 {
		text += ", and " + Count(s.Killed) + " cut by sseload"
	}
	text += "; " + Plural(s.Reconnects, "reconnection")
	if s.Slow > 0 {
		text += "; " + Plural(s.Slow, "stream") + " read slowly"
	}
	return text
}

func (t *table) times(r *load.Report) {
	fmt.Fprintf(t, "%-16s%10s%10s%10s%10s%10s%12s\n", "Times", "p50", "p90", "p99", "p99.9", "max", "count")
	for _, s := range allSeries(r) {
		if s.d.Count == 0 {
			fmt.Fprintf(t, "  %-14s%10s\n", s.name, "–")
			continue
		}
		fmt.Fprintf(t, "  %-14s", s.name)
		for _, d := range []time.Duration{s.d.P50, s.d.P90, s.d.P99, s.d.P999, s.d.Max} {
			fmt.Fprintf(t, "%10s", Time(d))
		}
		fmt.Fprintf(t, "%12s\n", Count(s.d.Count))
	}
	t.gap()
}

func (t *table) traffic(r *load.Report) {
	tr, q := &r.Traffic, &r.Sequence
	t.row("Events", "%s, %s/s; %s, %s/s", Count(tr.Events), Rate(tr.EventsPerSecond), Bytes(float64(tr.Bytes)), Bytes(tr.BytesPerSecond))
	if p := r.Publish; p != nil {
		t.row("Published", "%s", published(p))
		t.counts("", p.Failures)
	}
	t.row("Order", "%s", order(q))
	if q.Note != "" {
		t.row("", "%s", q.Note)
	}
	for _, e := range q.Examples {
		t.row("", "e.g. %s", Clip(Visible(e), 300))
	}
}

// order describes what the numbers of events showed.
func order(q *load.Sequence) string {
	if q.Numbered == 0 {
		return "no event had a number, so that missing and repeated ones were not seen"
	}
	text := fmt.Sprintf("%s: %s missing, %s repeated, %s out of order", Plural(q.Numbered, "numbered event"),
		Count(q.Missing), Count(q.Repeated), Count(q.OutOfOrder))
	if q.Streams > 0 {
		text += ", on " + Plural(q.Streams, "stream")
	}
	if q.Stalled > 0 {
		text += "; " + Plural(q.Stalled, "stream") + " stalled"
	}
	return text
}

func (t *table) ends(r *load.Report) {
	if len(r.Ends) == 0 {
		t.row("Ends", "no connection ended")
	}
	t.counts("Ends", r.Ends)
	t.counts("Failures", r.Failures)
}

// counts writes how often what happened.
func (t *table) counts(label string, counts []load.Count) {
	const shown = 8
	for i, c := range counts {
		if i == shown && len(counts) > shown+1 {
			var n int64
			for _, c := range counts[shown:] {
				n += c.N
			}
			t.row("", "%s × %s", Count(n), Plural(len(counts)-shown, "other cause"))
			return
		}
		text := Clip(Visible(c.What), 100)
		if c.Example != "" && c.Example != c.What {
			text += ": " + Clip(Visible(c.Example), 200)
		}
		t.row(label, "%s × %s", Count(c.N), text)
		label = ""
	}
}

func (t *table) storms(r *load.Report) {
	const shown = 5
	for i := range r.Storms {
		if i == shown {
			t.row("", "and %s", Plural(len(r.Storms)-shown, "further storm"))
			break
		}
		s := &r.Storms[i]
		t.row("Storm", "at %s, %s: %s dropped, %s back", Time(s.At), cause(s), Plural(s.Dropped, "stream"), Count(s.Back))
		t.row("", "%s", returns(s))
		t.row("", "%s, %s of them in the busiest 100 ms", Plural(s.Attempts, "attempt"), Count(s.Busiest))
	}
}

// cause returns what ended the connections of a storm.
func cause(s *load.Storm) string {
	switch s.Cause {
	case "kill":
		return "cut by sseload"
	case "server":
		return "by the server"
	}
	return Clip(Visible(s.Cause), 100)
}

// returns describes how long a storm lasted.
func returns(s *load.Storm) string {
	var parts []string
	for _, p := range []struct {
		part string
		d    time.Duration
	}{{"50 %", s.Back50}, {"99 %", s.Back99}, {"100 %", s.Back100}} {
		if p.d == 0 {
			parts = append(parts, p.part+" never")
			continue
		}
		parts = append(parts, p.part+" after "+Time(p.d))
	}
	return "back: " + strings.Join(parts, ", ")
}

func (t *table) client(r *load.Report) {
	t.row("sseload", "%s", client(r))
	if r.Client.Bottleneck != "" {
		t.row("", "IT WAS LATE ITSELF: %s", r.Client.Bottleneck)
		return
	}
	t.row("", "nothing shows that it was late itself")
}

// client describes what the measuring process used.
func client(r *load.Report) string {
	c := &r.Client
	text := fmt.Sprintf("used %s of %s", Percent(c.CPU.Seconds(), r.Elapsed.Seconds()*float64(max(c.Processors, 1))), Plural(c.Processors, "processor"))
	if c.BytesPerStream > 0 {
		text += ", " + Memory(c.BytesPerStream) + " a stream"
	}
	if c.SchedulerLag.Count > 0 {
		text += ", and its timers were late by " + Time(c.SchedulerLag.P99) + " (p99)"
	}
	return text
}

func (t *table) results(results []assertion.Result) {
	if len(results) == 0 {
		return
	}
	t.gap()
	label := "Assert"
	for _, a := range results {
		verdict := "ok  "
		if !a.OK {
			verdict = "FAIL"
		}
		t.row(label, "%s %s (%s)", verdict, a.Text, a.Got)
		label = ""
	}
}

// published describes what the run published itself.
func published(p *load.Publishing) string {
	text := Count(p.Sent) + " sent"
	if p.Took.Count > 0 {
		text += ", answered within " + Time(p.Took.P50) + " (p50) and " + Time(p.Took.P99) + " (p99)"
	}
	return text + "; " + Count(p.Failed) + " failed"
}
