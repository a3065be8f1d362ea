package bench

import (
	"math"
	"slices"
	"strconv"
)

// Samples are measurements of the same thing, one for each round.
type Samples []float64

// MarshalJSON keeps six digits, which are more than any measurement has.
func (s Samples) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, v := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, v, 'g', 6, 64)
	}
	return append(b, ']'), nil
}

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
