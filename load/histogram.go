package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	histogramUnit = time.Microsecond // smaller differences are not seen
	histogramMax  = time.Hour        // longer times count as this
)

func newHistogram(digits int) *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(histogramUnit), int64(histogramMax), digits)
}

// note records d, which is held within 0 … histogramMax.
func note(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(int64(min(max(d, 0), histogramMax))) // it is within the range
}

// A histogram of times that are seldom recorded: once for a connection, say.
type histogram struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // nil: empty
}

func (h *histogram) record(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.h == nil {
		h.h = newHistogram(3)
	}
	note(h.h, d)
}

func (h *histogram) distribution() Distribution {
	h.mu.Lock()
	defer h.mu.Unlock()
	return distribution(h.h)
}

const histogramShards = 8

// A busyHistogram is one that every event of every stream is recorded in. Each stream has its
// shard, so that streams seldom wait for each other. The shards hold what was recorded since
// the last interval.
type busyHistogram struct {
	shards [histogramShards]struct {
		histogram
		_ [64]byte // a cache line of its own
	}
	total, last histogram // last is of the last interval
}

func (b *busyHistogram) record(stream int, d time.Duration) {
	b.shards[stream%histogramShards].record(d)
}

// interval returns percentiles of what was recorded since the last call.
func (b *busyHistogram) interval() (p50, p99 time.Duration) {
	b.last.mu.Lock()
	defer b.last.mu.Unlock()
	if b.last.h != nil {
		b.last.h.Reset()
	}
	for i := range b.shards {
		shard := &b.shards[i]
		shard.mu.Lock()
		if shard.h != nil && shard.h.TotalCount() > 0 {
			if b.last.h == nil {
				b.last.h = newHistogram(3)
			}
			b.last.h.Merge(shard.h)
			shard.h.Reset()
		}
		shard.mu.Unlock()
	}
	if b.last.h == nil || b.last.h.TotalCount() == 0 {
		return 0, 0
	}
	b.total.mu.Lock()
	defer b.total.mu.Unlock()
	if b.total.h == nil {
		b.total.h = newHistogram(3)
	}
	b.total.h.Merge(b.last.h)
	return percentiles(b.last.h)
}

func (b *busyHistogram) distribution() Distribution {
	b.interval()
	return b.total.distribution()
}

func percentiles(h *hdrhistogram.Histogram) (p50, p99 time.Duration) {
	v := h.ValueAtPercentilesSlice([]float64{50, 99})
	return inUnits(v[0]), inUnits(v[1])
}

// inUnits removes from a value of a histogram what is smaller than its unit, and was made up.
func inUnits[N int64 | float64](v N) time.Duration { return time.Duration(v).Truncate(histogramUnit) }

// distribution returns the summary of h, which may be nil.
func distribution(h *hdrhistogram.Histogram) Distribution {
	if h == nil || h.TotalCount() == 0 {
		return Distribution{}
	}
	v := h.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9})
	d := Distribution{
		Count: h.TotalCount(),
		Min:   inUnits(h.Min()),
		Mean:  inUnits(h.Mean()),
		P50:   inUnits(v[0]),
		P90:   inUnits(v[1]),
		P99:   inUnits(v[2]),
		P999:  inUnits(v[3]),
		Max:   inUnits(h.Max()),
	}
	if hdr, err := h.EncodeV2(); err == nil {
		d.HDR = string(hdr)
	}
	return d
}
