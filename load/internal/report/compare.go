package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lastevent/sse/load"
)

// Compare writes two reports beside each other, with how much each figure changed.
func Compare(w io.Writer, nameA string, a *load.Report, nameB string, b *load.Report) error {
	c := &comparison{a: a, b: b}
	fmt.Fprintf(c, "A  %s\n   %s\n", Clip(Visible(nameA), tableWidth-3), Clip(title(a)+", for "+Time(a.Elapsed), tableWidth-3))
	fmt.Fprintf(c, "B  %s\n   %s\n\n", Clip(Visible(nameB), tableWidth-3), Clip(title(b)+", for "+Time(b.Elapsed), tableWidth-3))
	fmt.Fprintf(c, "%-28s%16s%16s%16s\n", "", "A", "B", "change")

	c.count("streams asked", func(r *load.Report) int64 { return int64(r.Streams.Asked) })
	c.count("  opened", func(r *load.Report) int64 { return int64(r.Streams.Opened) })
	c.count("  held", func(r *load.Report) int64 { return int64(r.Streams.Held) })
	c.count("  lost", func(r *load.Report) int64 { return int64(r.Streams.Lost) })
	c.count("  refused", func(r *load.Report) int64 { return int64(r.Streams.Refused) })
	c.count("drops", func(r *load.Report) int64 { return int64(r.Streams.Drops) })
	c.count("reconnections", func(r *load.Report) int64 { return int64(r.Streams.Reconnects) })

	seriesB := allSeries(b)
	for i, s := range allSeries(a) {
		c.distribution(s.name, s.d, seriesB[i].d)
	}
	c.row("events/s", a.Traffic.EventsPerSecond, b.Traffic.EventsPerSecond, Rate)
	c.row("bytes/s", a.Traffic.BytesPerSecond, b.Traffic.BytesPerSecond, Bytes)
	c.count("numbered events", func(r *load.Report) int64 { return r.Sequence.Numbered })
	c.count("  missing", func(r *load.Report) int64 { return r.Sequence.Missing })
	c.count("  repeated", func(r *load.Report) int64 { return r.Sequence.Repeated })
	c.count("  out of order", func(r *load.Report) int64 { return r.Sequence.OutOfOrder })
	c.count("  stalled streams", func(r *load.Report) int64 { return int64(r.Sequence.Stalled) })
	c.count("storms", func(r *load.Report) int64 { return int64(len(r.Storms)) })
	for i := range min(len(a.Storms), len(b.Storms), 5) {
		c.storm(i, &a.Storms[i], &b.Storms[i])
	}
	c.row("memory for each stream", float64(a.Client.BytesPerStream), float64(b.Client.BytesPerStream), func(v float64) string {
		if v == 0 {
			return "–"
		}
		return Memory(int64(v))
	})
	for _, r := range []struct {
		name string
		*load.Report
	}{{"A", a}, {"B", b}} {
		if r.Client.Bottleneck != "" {
			text := "In " + r.name + ", sseload was late itself: " + Clip(Visible(r.Client.Bottleneck), 400)
			fmt.Fprintf(c, "\n%s\n", strings.Join(Wrap(text, tableWidth), "\n"))
		}
	}
	_, err := io.WriteString(w, Spaces(c.String()))
	return err
}

type comparison struct {
	bytes.Buffer
	a, b *load.Report
}

func (c *comparison) row(name string, a, b float64, format func(float64) string) {
	fmt.Fprintf(c, "%-28s%16s%16s%16s\n", name, format(a), format(b), change(a, b))
}

func (c *comparison) count(name string, of func(r *load.Report) int64) {
	c.row(name, float64(of(c.a)), float64(of(c.b)), func(v float64) string { return Count(int64(v)) })
}

func (c *comparison) distribution(name string, a, b *load.Distribution) {
	if a.Count == 0 && b.Count == 0 {
		return
	}
	for _, p := range []struct {
		name string
		of   func(d *load.Distribution) time.Duration
	}{
		{name + " p50", func(d *load.Distribution) time.Duration { return d.P50 }},
		{"  p99", func(d *load.Distribution) time.Duration { return d.P99 }},
		{"  max", func(d *load.Distribution) time.Duration { return d.Max }},
	} {
		if a.Count == 0 || b.Count == 0 {
			times := []string{"–", "–"}
			for i, d := range []*load.Distribution{a, b} {
				if d.Count > 0 {
					times[i] = Time(p.of(d))
				}
			}
			fmt.Fprintf(c, "%-28s%16s%16s\n", p.name, times[0], times[1])
			continue
		}
		c.row(p.name, float64(p.of(a)), float64(p.of(b)), func(v float64) string { return Time(time.Duration(v)) })
	}
}

// storm compares the n-th storm of each.
func (c *comparison) storm(n int, a, b *load.Storm) {
	prefix := "storm " + strconv.Itoa(n+1)
	count := func(v float64) string { return Count(int64(v)) }
	c.row(prefix+": dropped", float64(a.Dropped), float64(b.Dropped), count)
	for _, p := range []struct {
		name string
		a, b time.Duration
	}{{"  50 % back after", a.Back50, b.Back50}, {"  99 % back after", a.Back99, b.Back99}, {"  all back after", a.Back100, b.Back100}} {
		if p.a == 0 || p.b == 0 {
			fmt.Fprintf(c, "%-28s%16s%16s\n", p.name, orNever(p.a), orNever(p.b))
			continue
		}
		c.row(p.name, float64(p.a), float64(p.b), func(v float64) string { return Time(time.Duration(v)) })
	}
	c.row("  attempts", float64(a.Attempts), float64(b.Attempts), count)
	c.row("  in the busiest 100 ms", float64(a.Busiest), float64(b.Busiest), count)
}

func orNever(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return Time(d)
}

// change describes the way from a to b.
func change(a, b float64) string {
	switch p := 100 * (b - a) / a; {
	case a == b:
		return "="
	case a == 0:
		return "new"
	case b == 0:
		return "none left"
	case b >= 3*a:
		return "× " + strconv.FormatFloat(b/a, 'g', 3, 64)
	case math.Abs(p) < 0.1:
		return "under 0.1 %"
	default:
		return fmt.Sprintf("%+.1f %%", p)
	}
}
