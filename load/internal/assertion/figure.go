package assertion

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lastevent/sse/load"
)

// A kind says in which unit a figure is, and so which values it can be compared with.
type kind int

const (
	number   kind = iota // a count or a rate
	duration             // nanoseconds
	size                 // bytes
)

// A figure takes a number from a report. whole is what 100 % of it are, and 0 if no percentage
// makes sense.
type figure struct {
	name  string
	kind  kind
	value func(r *load.Report) (v, whole float64, err error)
}

var (
	errNoNumbers = errors.New("no event had a number")
	errNoStorm   = errors.New("there was no storm")
	errNoMemory  = errors.New("it was not measured")
	errNoPublish = errors.New("the run published nothing itself")
	errNoTimes   = errors.New("it was not measured")
)

func ofStreams(name string, n func(s *load.Streams) int) figure {
	return figure{name, number, func(r *load.Report) (float64, float64, error) {
		return float64(n(&r.Streams)), float64(r.Streams.Asked), nil
	}}
}

// ofSequence is a figure that means nothing if no event had a number: a run that saw none did not
// show that none is missing.
func ofSequence(name string, n func(s *load.Sequence) (v, whole int64)) figure {
	return figure{name, number, func(r *load.Report) (float64, float64, error) {
		if r.Sequence.Numbered == 0 {
			return 0, 0, errNoNumbers
		}
		v, whole := n(&r.Sequence)
		return float64(v), float64(whole), nil
	}}
}

func plain(name string, k kind, value func(r *load.Report) float64) figure {
	return figure{name, k, func(r *load.Report) (float64, float64, error) { return value(r), 0, nil }}
}

// ofPublishing is a figure of a run that publishes. 100 % are all events that it tried to publish.
func ofPublishing(name string, n func(p *load.Publishing) int64) figure {
	return figure{name, number, func(r *load.Report) (float64, float64, error) {
		if r.Publish == nil {
			return 0, 0, errNoPublish
		}
		return float64(n(r.Publish)), float64(r.Publish.Sent + r.Publish.Failed), nil
	}}
}

// figures are what an assertion can name, as the report's JSON form does.
var figures = []figure{
	ofStreams("asked", func(s *load.Streams) int { return s.Asked }),
	ofStreams("opened", func(s *load.Streams) int { return s.Opened }),
	ofStreams("held", func(s *load.Streams) int { return s.Held }),
	ofStreams("away", func(s *load.Streams) int { return s.Away }),
	ofStreams("done", func(s *load.Streams) int { return s.Done }),
	ofStreams("lost", func(s *load.Streams) int { return s.Lost }),
	ofStreams("refused", func(s *load.Streams) int { return s.Refused }),
	ofStreams("drops", func(s *load.Streams) int { return s.Drops }),
	ofStreams("killed", func(s *load.Streams) int { return s.Killed }),
	ofStreams("reconnects", func(s *load.Streams) int { return s.Reconnects }),
	ofSequence("numbered", func(s *load.Sequence) (int64, int64) { return s.Numbered, 0 }),
	ofSequence("missing", func(s *load.Sequence) (int64, int64) { return s.Missing, s.Numbered + s.Missing }),
	ofSequence("repeated", func(s *load.Sequence) (int64, int64) { return s.Repeated, s.Numbered }),
	ofSequence("outOfOrder", func(s *load.Sequence) (int64, int64) { return s.OutOfOrder, s.Numbered }),
	{"stalled", number, func(r *load.Report) (float64, float64, error) {
		if r.Sequence.Numbered == 0 {
			return 0, 0, errNoNumbers
		}
		return float64(r.Sequence.Stalled), float64(r.Streams.Asked), nil
	}},
	plain("events", number, func(r *load.Report) float64 { return float64(r.Traffic.Events) }),
	plain("bytes", size, func(r *load.Report) float64 { return float64(r.Traffic.Bytes) }),
	plain("eventsPerSecond", number, func(r *load.Report) float64 { return r.Traffic.EventsPerSecond }),
	plain("bytesPerSecond", size, func(r *load.Report) float64 { return r.Traffic.BytesPerSecond }),
	plain("elapsed", duration, func(r *load.Report) float64 { return float64(r.Elapsed) }),
	plain("storms", number, func(r *load.Report) float64 { return float64(len(r.Storms)) }),
	plain("cpu", duration, func(r *load.Report) float64 { return float64(r.Client.CPU) }),
	ofPublishing("sent", func(p *load.Publishing) int64 { return p.Sent }),
	ofPublishing("failed", func(p *load.Publishing) int64 { return p.Failed }),
	{"bytesPerStream", size, func(r *load.Report) (float64, float64, error) {
		if r.Client.BytesPerStream == 0 {
			return 0, 0, errNoMemory
		}
		return float64(r.Client.BytesPerStream), 0, nil
	}},
}

// A distribution is one of a report's, by its JSON name.
type distribution struct {
	name string
	of   func(r *load.Report) *load.Distribution
}

var distributions = []distribution{
	{"connect", func(r *load.Report) *load.Distribution { return &r.Latency.Connect }},
	{"header", func(r *load.Report) *load.Distribution { return &r.Latency.Header }},
	{"firstEvent", func(r *load.Report) *load.Distribution { return &r.Latency.FirstEvent }},
	{"firstSays", func(r *load.Report) *load.Distribution { return &r.Latency.FirstSays }},
	{"event", func(r *load.Report) *load.Distribution { return &r.Latency.Event }},
	{"skew", func(r *load.Report) *load.Distribution { return &r.Latency.Skew }},
	{"late", func(r *load.Report) *load.Distribution { return &r.Latency.Late }},
	{"reconnect", func(r *load.Report) *load.Distribution { return &r.Latency.Reconnect }},
	{"took", func(r *load.Report) *load.Distribution {
		if r.Publish == nil {
			return new(load.Distribution)
		}
		return &r.Publish.Took
	}},
	{"schedulerLag", func(r *load.Report) *load.Distribution { return &r.Client.SchedulerLag }},
}

// ofDistribution returns the figure function(name), or false if there is no such function.
func ofDistribution(function string, d distribution) (figure, bool) {
	f := figure{function + "(" + d.name + ")", duration, nil}
	function = strings.ToLower(function)
	digits, isPercentile := strings.CutPrefix(function, "p")
	p, err := strconv.ParseFloat(digits, 64)
	switch {
	case function == "count":
		f.kind = number
		f.value = func(r *load.Report) (float64, float64, error) { return float64(d.of(r).Count), 0, nil }
		return f, true
	case function == "min", function == "mean", function == "max", isPercentile && err == nil && p > 0 && p <= 100:
		f.value = func(r *load.Report) (float64, float64, error) {
			if d.of(r).Count == 0 {
				return 0, 0, errNoTimes
			}
			v, err := take(d.of(r), function, p)
			return v, 0, err
		}
		return f, true
	}
	return figure{}, false
}

// take returns the least, mean or greatest time of a distribution, or the percentile p.
func take(d *load.Distribution, function string, p float64) (float64, error) {
	switch function {
	case "min":
		return float64(d.Min), nil
	case "mean":
		return float64(d.Mean), nil
	case "max":
		return float64(d.Max), nil
	}
	return atPercentile(d, p)
}

func atPercentile(d *load.Distribution, p float64) (float64, error) {
	for _, known := range []struct {
		p float64
		v time.Duration
	}{{50, d.P50}, {90, d.P90}, {99, d.P99}, {99.9, d.P999}, {100, d.Max}} {
		if p == known.p {
			return float64(known.v), nil
		}
	}
	h, err := hdrhistogram.Decode([]byte(d.HDR))
	if err != nil {
		return 0, errors.New("the report has only the percentiles 50, 90, 99, 99.9 and 100 of it: " + err.Error())
	}
	return float64(h.ValueAtPercentile(p)), nil
}

// ofStorm are the functions of storm. Of several storms, the worst counts.
var ofStorm = []figure{
	inStorm("dropped", number, slices.Max, func(s *load.Storm) float64 { return float64(s.Dropped) }),
	{"back(storm)", number, func(r *load.Report) (v, whole float64, err error) {
		if len(r.Storms) == 0 {
			return 0, 0, errNoStorm
		}
		worst := slices.MinFunc(r.Storms, func(a, b load.Storm) int { return a.Back*b.Dropped - b.Back*a.Dropped })
		return float64(worst.Back), float64(worst.Dropped), nil
	}},
	inStorm("back50", duration, slices.Max, func(s *load.Storm) float64 { return orNever(s.Back50) }),
	inStorm("back99", duration, slices.Max, func(s *load.Storm) float64 { return orNever(s.Back99) }),
	inStorm("back100", duration, slices.Max, func(s *load.Storm) float64 { return orNever(s.Back100) }),
	inStorm("attempts", number, slices.Max, func(s *load.Storm) float64 { return float64(s.Attempts) }),
	inStorm("busiest", number, slices.Max, func(s *load.Storm) float64 { return float64(s.Busiest) }),
}

func inStorm(function string, k kind, worst func([]float64) float64, of func(s *load.Storm) float64) figure {
	return figure{function + "(storm)", k, func(r *load.Report) (float64, float64, error) {
		if len(r.Storms) == 0 {
			return 0, 0, errNoStorm
		}
		var values []float64
		for i := range r.Storms {
			values = append(values, of(&r.Storms[i]))
		}
		return worst(values), 0, nil
	}}
}

// orNever is infinite where a storm has no time, since that part of the streams never was back.
func orNever(d time.Duration) float64 {
	if d == 0 {
		return math.Inf(1)
	}
	return float64(d)
}
