package report

import (
	"math"
	"strconv"
	"time"

	"gonum.org/v1/plot"
)

// Each of these returns the ticks of an axis between two values, and no more than most of them.

// countTicks are those of a number of things.
func countTicks(least, greatest float64, most int) []plot.Tick {
	step := math.Max(1, decimalStep(greatest-least, most))
	return ticks(least, greatest, step, func(v float64) string { return Count(int64(math.Round(v))) })
}

// percentTicks are those of 0 to 100 %.
func percentTicks(least, greatest float64, most int) []plot.Tick {
	step := 25.0
	if most < 5 {
		step = 50
	}
	return ticks(least, greatest, step, func(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) + nbsp + "%" })
}

// secondSteps are steps that people count time in, in seconds.
var secondSteps = []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600}

// secondTicks are those of a time since the start, in seconds.
func secondTicks(least, greatest float64, most int) []plot.Tick {
	step := secondSteps[0]
	for _, s := range secondSteps {
		if step = s; (greatest-least)/step <= float64(most) {
			break
		}
	}
	for (greatest-least)/step > float64(most) {
		step *= 2
	}
	return ticks(least, greatest, step, func(v float64) string {
		switch {
		case v == 0:
			return "0"
		case step < 1:
			return strconv.FormatFloat(v, 'f', 1, 64) + nbsp + "s"
		}
		return secondLabel(int64(math.Round(v)))
	})
}

// secondLabel returns 90 as 1:30, in minutes, and 30 as 30 s.
func secondLabel(s int64) string {
	two := func(n int64) string {
		if n < 10 {
			return "0" + strconv.FormatInt(n, 10)
		}
		return strconv.FormatInt(n, 10)
	}
	switch {
	case s < 60:
		return strconv.FormatInt(s, 10) + nbsp + "s"
	case s < 3600:
		return strconv.FormatInt(s/60, 10) + ":" + two(s%60)
	}
	return strconv.FormatInt(s/3600, 10) + ":" + two(s/60%60) + ":" + two(s%60)
}

// timeTicks are those of a duration in nanoseconds.
func timeTicks(least, greatest float64, most int) []plot.Tick {
	return ticks(least, greatest, decimalStep(greatest-least, most), timeLabel)
}

// timeDecades are those of the decimal logarithm of a duration in nanoseconds.
func timeDecades(least, greatest float64, most int) []plot.Tick {
	step := math.Max(1, math.Ceil((greatest-least)/float64(most)))
	found := ticks(least, greatest, step, func(v float64) string { return timeLabel(math.Pow(10, v)) })
	if len(found) >= 3 {
		return found
	}
	found = nil
	for decade := math.Floor(least); decade <= greatest; decade++ { // 1, 2 and 5, where decades are few
		for _, factor := range []float64{1, 2, 5} {
			if v := decade + math.Log10(factor); v >= least && v <= greatest {
				found = append(found, plot.Tick{Value: v, Label: timeLabel(math.Pow(10, v))})
			}
		}
	}
	return found
}

// timeLabel returns a duration in nanoseconds without digits that are zero.
func timeLabel(ns float64) string {
	units := []struct {
		ns   float64
		name string
	}{{float64(time.Hour), "h"}, {float64(time.Minute), "min"}, {float64(time.Second), "s"}, {float64(time.Millisecond), "ms"}, {float64(time.Microsecond), "µs"}}
	if ns == 0 {
		return "0"
	}
	for _, u := range units {
		if u.ns > float64(time.Second) && ns < 100*float64(time.Second) {
			continue // minutes only where they are many
		}
		if ns >= 0.999*u.ns {
			return strconv.FormatFloat(ns/u.ns, 'g', 3, 64) + nbsp + u.name
		}
	}
	return strconv.FormatFloat(ns, 'g', 3, 64) + nbsp + "ns"
}

// percentileTicks are those of a number of nines.
func percentileTicks(least, greatest float64, most int) (found []plot.Tick) {
	names := []string{"", "p90", "p99", "p99.9", "p99.99", "p99.999", "p99.9999", "p99.99999", "p99.999999"}
	for i, name := range names {
		if v := float64(i); i > 0 && v >= least && v <= greatest+0.01 {
			found = append(found, plot.Tick{Value: v, Label: name})
		}
		if v := math.Log10(2); i == 0 && v <= greatest && (greatest < 4 || most > 5) {
			found = append(found, plot.Tick{Value: v, Label: "p50"})
		}
	}
	return found
}

// decimalStep returns 1, 2 or 5 times a power of ten.
func decimalStep(span float64, most int) float64 {
	least := span / float64(most)
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= least {
			return factor * power
		}
	}
	return 10 * power
}

func ticks(least, greatest, step float64, label func(float64) string) (found []plot.Tick) {
	for i := math.Ceil(least/step-1e-9) + 0; i*step <= greatest*(1+1e-9); i++ {
		found = append(found, plot.Tick{Value: i * step, Label: label(i * step)})
	}
	return found
}
