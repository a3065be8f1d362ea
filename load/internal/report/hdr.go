// Package report shows a load.Report: as a table, as a page, as a log of histograms, and beside
// another one.
package report

import (
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lastevent/sse/load"
)

// A series is a distribution of a report and what it is called.
type series struct {
	tag  string // in the log
	name string // in the table and on the page
	what string // in a sentence
	d    *load.Distribution
}

// allSeries returns the distributions of a report, in the order in which they are shown.
func allSeries(r *load.Report) []series {
	l := &r.Latency
	return []series{
		{"connect", "connect", "the connection, with TLS", &l.Connect},
		{"header", "header", "from when a stream was due to its header", &l.Header},
		{"firstEvent", "first event", "from when a stream was due to its first event", &l.FirstEvent},
		{"firstSays", "first content", "… to its first event that says something", &l.FirstSays},
		{"event", "event", "from when an event was sent to when it was read", &l.Event},
		{"skew", "skew", "of each event, from the first stream to the last", &l.Skew},
		{"late", "late", "of each event and stream, after the first stream", &l.Late},
		{"reconnect", "reconnect", "from a drop to the next header", &l.Reconnect},
	}
}

// HDR writes the histograms of a report as a log of HdrHistogram, each with its name as its tag. The
// values are nanoseconds, and the maximum beside a histogram is in milliseconds, as in other logs.
func HDR(w io.Writer, r *load.Report) error {
	log := hdrhistogram.NewHistogramLogWriter(w)
	start := r.Started.UnixMilli()
	log.SetBaseTime(start)
	if err := log.OutputLogFormatVersion(); err != nil {
		return err
	}
	if err := log.OutputBaseTime(start); err != nil {
		return err
	}
	if err := log.OutputStartTime(start); err != nil {
		return err
	}
	if err := log.OutputLegend(); err != nil {
		return err
	}
	all := append(allSeries(r), series{tag: "schedulerLag", d: &r.Client.SchedulerLag})
	if r.Publish != nil {
		all = append(all, series{tag: "took", d: &r.Publish.Took})
	}
	for _, s := range all {
		if s.d.HDR == "" {
			continue
		}
		h, err := hdrhistogram.Decode([]byte(s.d.HDR))
		if err != nil {
			return fmt.Errorf("the histogram of %s: %w", s.tag, err)
		}
		h.SetTag(s.tag)
		h.SetStartTimeMs(start)
		h.SetEndTimeMs(r.Started.Add(max(r.Elapsed, time.Millisecond)).UnixMilli())
		if err := log.OutputIntervalHistogram(h); err != nil {
			return err
		}
	}
	return nil
}
