package report

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"github.com/lastevent/sse/load"
)

func labelsOf(ticks []plot.Tick) string {
	var labels []string
	for _, t := range ticks {
		labels = append(labels, Spaces(t.Label))
	}
	return strings.Join(labels, " | ")
}

func TestTicks(t *testing.T) {
	ns := func(d time.Duration) float64 { return float64(d) }
	log := func(d time.Duration) float64 { return math.Log10(float64(d)) }
	for _, test := range []struct {
		of              func(least, greatest float64, most int) []plot.Tick
		least, greatest float64
		most            int
		want            string
	}{
		{countTicks, 0, 2120, 6, "0 | 500 | 1,000 | 1,500 | 2,000"},
		{countTicks, 0, 1.06, 6, "0 | 1"},
		{countTicks, 0, 1e6, 5, "0 | 200,000 | 400,000 | 600,000 | 800,000 | 1,000,000"},
		{percentTicks, 0, 104, 6, "0 % | 25 % | 50 % | 75 % | 100 %"},
		{secondTicks, 0, 0.9, 9, "0 | 0.1 s | 0.2 s | 0.3 s | 0.4 s | 0.5 s | 0.6 s | 0.7 s | 0.8 s | 0.9 s"},
		{secondTicks, 0, 15, 9, "0 | 2 s | 4 s | 6 s | 8 s | 10 s | 12 s | 14 s"},
		{secondTicks, 0, 70, 9, "0 | 10 s | 20 s | 30 s | 40 s | 50 s | 1:00 | 1:10"},
		{secondTicks, 0, 300, 5, "0 | 1:00 | 2:00 | 3:00 | 4:00 | 5:00"},
		{secondTicks, 0, 7500, 5, "0 | 30:00 | 1:00:00 | 1:30:00 | 2:00:00"},
		{secondTicks, 0, 30 * 86400, 5, "0 | 192:00:00 | 384:00:00 | 576:00:00"},
		{timeTicks, 0, ns(33 * time.Millisecond), 5, "0 | 10 ms | 20 ms | 30 ms"},
		{timeTicks, 0, ns(2500 * time.Millisecond), 5, "0 | 500 ms | 1 s | 1.5 s | 2 s | 2.5 s"},
		{timeTicks, 0, ns(3 * time.Nanosecond), 5, "0 | 1 ns | 2 ns | 3 ns"},
		{timeDecades, log(80 * time.Microsecond), log(20 * time.Second), 6, "100 µs | 1 ms | 10 ms | 100 ms | 1 s | 10 s"},
		{timeDecades, log(80 * time.Microsecond), log(20 * time.Second), 5, "1 ms | 100 ms | 10 s"},
		{timeDecades, log(3 * time.Millisecond), log(60 * time.Millisecond), 6, "5 ms | 10 ms | 20 ms | 50 ms"},
		{timeDecades, log(time.Minute), log(time.Hour), 6, "1.67 min | 3.33 min | 8.33 min | 16.7 min | 33.3 min"},
		{percentileTicks, 0, 4.7, 9, "p50 | p90 | p99 | p99.9 | p99.99"},
		{percentileTicks, 0, 4.7, 5, "p90 | p99 | p99.9 | p99.99"},
		{percentileTicks, 0, 2, 5, "p50 | p90 | p99"},
	} {
		assert.Equal(t, test.want, labelsOf(test.of(test.least, test.greatest, test.most)), "%v to %v", test.least, test.greatest)
	}
}

// TestStormFigures: the 100 ms that are counted are those of the run, and the storm begins within one.
func TestStormFigures(t *testing.T) {
	s := load.Storm{At: 7190 * time.Millisecond, Dropped: 4, Per100ms: []int64{0, 1, 0, 3, 0}, BackPer100ms: []int64{0, 0, 1, 3, 0}}
	back, attempts := stormFigures(&s)
	in := func(xys plotter.XYs) (text string) {
		for _, xy := range xys {
			text += fmt.Sprintf("%.2f:%.0f ", xy.X, xy.Y)
		}
		return text
	}
	assert.Equal(t, "0.00:0 0.01:0 0.11:0 0.21:25 0.31:100 ", in(back.Lines[0].xys))
	assert.Equal(t, "0.00:0 0.01:0 0.01:1 0.11:1 0.11:0 0.21:0 0.21:3 0.31:3 ", in(attempts.Lines[0].xys))
	for _, none := range []load.Storm{{}, {Dropped: 1}, {Dropped: 1, Per100ms: []int64{0, 0}}} {
		back, attempts = stormFigures(&none)
		assert.Nil(t, back)
		assert.Nil(t, attempts)
	}
}
