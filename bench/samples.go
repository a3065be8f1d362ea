package bench

import (
	"math"
	"slices"
)

// Samples are measurements of the same thing, one for each round.
type Samples []float64

// Quantile returns the sample below which the share q of them lies, between 0 and 1.
func (s Samples) Quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Median returns the middle sample.
func (s Samples) Median() float64 { return s.Quantile(0.5) }

// Over returns the ratio to other of each round. Rounds of the same run are close in time, so
// that what slows a noisy machine down slows both.
func (s Samples) Over(other Samples) Samples {
	ratios := make(Samples, min(len(s), len(other)))
	for i := range ratios {
		ratios[i] = s[i] / other[i]
	}
	return ratios
}
