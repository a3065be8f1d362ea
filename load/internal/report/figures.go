package report

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"gonum.org/v1/plot/plotter"

	"github.com/lastevent/sse/load"
)

// end returns when step i of the timeline was over, and how long it took: the last one is shorter.
func end(r *load.Report, i int) (at, took float64) {
	start := r.Timeline[i].At
	end := start + max(r.Step, time.Second)
	if i == len(r.Timeline)-1 && r.Elapsed > start {
		end = min(end, r.Elapsed)
	}
	return end.Seconds(), (end - start).Seconds()
}

// rampFigure shows the streams that were due and open.
func rampFigure(r *load.Report) *figure {
	if len(r.Timeline) == 0 {
		return nil
	}
	dues, opens := plotter.XYs{{}}, plotter.XYs{{}}
	for i, s := range r.Timeline {
		at, _ := end(r, i)
		dues = append(dues, plotter.XY{X: at, Y: float64(s.Due)})
		opens = append(opens, plotter.XY{X: at, Y: float64(s.Open)})
	}
	return figure{
		Title: "Streams", Unit: "streams",
		Lines: []line{{name: "open", paint: line1, xys: opens, area: true}, {name: "due", paint: due, xys: dues, dashed: true}},
	}.draw(axes{x: secondTicks, y: countTicks, marks: stormsAt(r)})
}

func stormsAt(r *load.Report) (at []float64) {
	for _, s := range r.Storms {
		at = append(at, s.At.Seconds())
	}
	return at
}

// trafficFigure shows the events per second.
func trafficFigure(r *load.Report) *figure {
	var xys plotter.XYs
	seen := false
	for i, s := range r.Timeline {
		at, took := end(r, i)
		if took < max(r.Step, time.Second).Seconds()/2 && len(xys) > 0 {
			break // the few events of a moment make no rate
		}
		seen = seen || s.Events > 0
		xys = append(xys, plotter.XY{X: at, Y: float64(s.Events) / took})
	}
	if !seen {
		return nil
	}
	return figure{Title: "Events", Unit: "events per second, on all streams", Lines: []line{{name: "events", paint: line2, xys: xys, area: true}}}.
		draw(axes{x: secondTicks, y: countTicks, marks: stormsAt(r), height: 150})
}

// percentileFigure shows the distributions of times, by percentile.
func percentileFigure(r *load.Report) *figure {
	paints := map[string]paint{"header": line1, "firstEvent": line2, "event": line3, "late": line4, "skew": line5, "reconnect": line6}
	f := figure{Title: "Latency by percentile", Unit: "time"}
	least, greatest, longest := math.Inf(1), math.Inf(-1), 0.0
	for _, s := range allSeries(r) {
		if paints[s.tag] == 0 || s.d.Count == 0 {
			continue
		}
		xys := percentiles(s.d)
		for _, xy := range xys {
			least, greatest, longest = min(least, xy.Y), max(greatest, xy.Y), max(longest, xy.X)
		}
		f.Lines = append(f.Lines, line{name: s.name, paint: paints[s.tag], xys: xys})
	}
	if len(f.Lines) == 0 {
		return nil
	}
	room := 0.04 * max(greatest-least, 1)
	return f.draw(axes{x: percentileTicks, y: timeDecades, maxX: max(longest, 1), minY: least - room, maxY: greatest + room, height: 250})
}

// percentiles returns a distribution as points: how many nines, and the logarithm of the time. The least times
// are left out, since one that is nearly nothing would stretch the axis: of each event, one stream is not late.
func percentiles(d *load.Distribution) (xys plotter.XYs) {
	add := func(part float64, t time.Duration) {
		xys = append(xys, plotter.XY{X: -math.Log10(1 - part), Y: math.Log10(max(float64(t), float64(time.Microsecond)))})
	}
	last := 1 - 1/float64(max(d.Count, 2)) // the largest time is beyond this part of them
	h, err := hdrhistogram.Decode([]byte(d.HDR))
	if err != nil {
		for _, k := range []struct {
			part float64
			t    time.Duration
		}{{0.5, d.P50}, {0.9, d.P90}, {0.99, d.P99}, {0.999, d.P999}} {
			if k.part < last {
				add(k.part, k.t)
			}
		}
	} else {
		const perNine = 24
		for i := 1; ; i++ {
			part := 1 - math.Pow(10, -float64(i)/perNine)
			if part >= last {
				break
			}
			add(part, time.Duration(h.ValueAtPercentile(100*part)))
		}
	}
	add(last, d.Max)
	return xys
}

// skewFigure shows skew and latency over time.
func skewFigure(r *load.Report) *figure {
	curves := []struct {
		name  string
		paint paint
		of    func(s *load.Second) time.Duration
	}{
		{"skew, p99", line5, func(s *load.Second) time.Duration { return s.SkewP99 }},
		{"skew, p50", line4, func(s *load.Second) time.Duration { return s.SkewP50 }},
		{"latency, p99", line3, func(s *load.Second) time.Duration { return s.EventP99 }},
		{"latency, p50", line2, func(s *load.Second) time.Duration { return s.EventP50 }},
	}
	f := figure{Title: "Skew over time", Unit: "time"}
	var values []float64
	for _, c := range curves {
		var xys plotter.XYs
		for i := range r.Timeline {
			s := &r.Timeline[i]
			at, _ := end(r, i)
			if d := c.of(s); d > 0 {
				xys = append(xys, plotter.XY{X: at, Y: float64(d)})
				values = append(values, float64(d))
			}
		}
		if len(xys) > 0 {
			f.Lines = append(f.Lines, line{name: c.name, paint: c.paint, xys: xys})
		}
	}
	if len(f.Lines) == 0 {
		return nil
	}
	a := axes{x: secondTicks, y: timeTicks, marks: stormsAt(r), maxX: r.Elapsed.Seconds()}
	slices.Sort(values)
	if median := values[len(values)/2]; values[len(values)-1] > 20*median { // one peak would hide everything else
		for _, l := range f.Lines {
			for i := range l.xys {
				l.xys[i].Y = math.Log10(l.xys[i].Y)
			}
		}
		a.y, a.minY, a.maxY = timeDecades, math.Log10(values[0])-0.1, math.Log10(values[len(values)-1])+0.1
	}
	return f.draw(a)
}

// stormFigures show a storm: which part was back, and how many attempts there were.
func stormFigures(s *load.Storm) (back, attempts *figure) {
	n := max(last(s.Per100ms), last(s.BackPer100ms))
	if n == 0 || s.Dropped == 0 {
		return nil, nil
	}
	// The first 100 ms are those in which the storm began.
	const bin = 100 * time.Millisecond
	x := func(i int) float64 { return max(0, time.Duration(i)*bin-s.At%bin).Seconds() }
	var tries, backs plotter.XYs
	sum := int64(0)
	backs = append(backs, plotter.XY{})
	for i := range n {
		if i < len(s.Per100ms) {
			v := float64(s.Per100ms[i])
			tries = append(tries, plotter.XY{X: x(i), Y: v}, plotter.XY{X: x(i + 1), Y: v})
		}
		if i < len(s.BackPer100ms) {
			sum += s.BackPer100ms[i]
		}
		backs = append(backs, plotter.XY{X: x(i + 1), Y: 100 * float64(sum) / float64(s.Dropped)})
	}
	var reached []float64
	for _, d := range []time.Duration{s.Back50, s.Back99} {
		if d > 0 {
			reached = append(reached, d.Seconds())
		}
	}
	a := axes{x: secondTicks, y: percentTicks, maxX: x(n), maxY: 104, marks: reached, height: 150}
	back = figure{Title: "Back", Unit: "% of the streams that were dropped", Lines: []line{{name: "open again", paint: line1, xys: backs, area: true}}}.draw(a)
	a = axes{x: secondTicks, y: countTicks, maxX: x(n), height: 150}
	attempts = figure{Title: "Attempts", Unit: "attempts in each 100 ms", Lines: []line{{name: "attempts", paint: line6, xys: tries, area: true}}}.draw(a)
	return back, attempts
}

// last returns the length of counts without the zeros at its end.
func last(counts []int64) int {
	n := len(counts)
	for n > 0 && counts[n-1] == 0 {
		n--
	}
	return n
}
