package report

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/assertion"
)

// distribution returns that of n times around a median.
func distribution(t *testing.T, n int, median time.Duration, spread float64) load.Distribution {
	rng := rand.New(rand.NewPCG(1, uint64(median)))
	h := hdrhistogram.New(1, int64(time.Hour), 3)
	for range n {
		require.NoError(t, h.RecordValue(int64(float64(median)*math.Exp(spread*rng.NormFloat64()))))
	}
	hdr, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	require.NoError(t, err)
	at := func(p float64) time.Duration { return time.Duration(h.ValueAtPercentile(p)) }
	return load.Distribution{
		Count: int64(n), Min: time.Duration(h.Min()), Mean: time.Duration(h.Mean()), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: time.Duration(h.Max()), HDR: string(hdr),
	}
}

// sample returns the report of a run of 2000 streams: a ramp of ten seconds, a restart of the server
// after 30 s, and connections cut after 50 s. Each caller gets one of its own.
func sample(t *testing.T) *load.Report {
	sampleOnce.Do(func() {
		var err error
		sampleJSON, err = json.Marshal(makeSample(t))
		require.NoError(t, err)
	})
	r := new(load.Report)
	require.NoError(t, json.Unmarshal(sampleJSON, r))
	return r
}

var (
	sampleOnce sync.Once
	sampleJSON []byte
)

func makeSample(t *testing.T) *load.Report {
	rng := rand.New(rand.NewPCG(1, 2))
	r := &load.Report{
		Version: 1, Started: time.Date(2026, 11, 27, 18, 30, 0, 0, time.UTC), Elapsed: 70 * time.Second, Step: time.Second,
		URLs:    []string{"http://127.0.0.1:8080/feed"},
		Streams: load.Streams{Asked: 2000, Opened: 1998, Held: 1995, Away: 2, Lost: 1, Refused: 2, Drops: 2004, Killed: 600, Reconnects: 2601},
		Latency: load.Latencies{
			Connect:    distribution(t, 4600, 300*time.Microsecond, 0.5),
			Header:     distribution(t, 1998, 900*time.Microsecond, 0.7),
			FirstEvent: distribution(t, 1998, 60*time.Millisecond, 0.6),
			FirstSays:  distribution(t, 1998, 62*time.Millisecond, 0.6),
			Event:      distribution(t, 50000, 4*time.Millisecond, 0.8),
			Skew:       distribution(t, 680, 12*time.Millisecond, 0.4),
			Late:       distribution(t, 50000, 5*time.Millisecond, 0.7),
			Reconnect:  distribution(t, 2600, 2*time.Second, 0.5),
		},
		Traffic: load.Traffic{Events: 1212345, Bytes: 98765432, EventsPerSecond: 19876.5, BytesPerSecond: 1.6e6},
		Ends: []load.Count{
			{What: "cut", N: 2003, Example: "read tcp 127.0.0.1:41234->127.0.0.1:8080: connection reset by peer"},
			{What: "cut by this run", N: 600},
			{What: "closed", N: 1},
		},
		Failures: []load.Count{{What: "connection refused", N: 3412, Example: "dial tcp 127.0.0.1:8080: connect: connection refused"}, {What: "503 Service Unavailable", N: 12}},
		Sequence: load.Sequence{
			Numbered: 1212345, Missing: 17, Repeated: 42, OutOfOrder: 3, Stalled: 2, Streams: 21,
			Examples: []string{"stream 12: 3 missing after 1041", "stream 77: 1041 repeated"},
		},
		Client: load.Process{
			CPU: 21 * time.Second, Processors: 2, Files: 20000, BytesPerStream: 10456,
			SchedulerLag: distribution(t, 7000, 80*time.Microsecond, 0.5),
		},
	}
	open := 0
	for i := range 70 {
		s := load.Second{
			At: time.Duration(i) * time.Second, Due: min(2000, 200*i), Events: int64(open * 10), Bytes: int64(open * 800),
			SkewP50: time.Duration(rng.Float64()*4+10) * time.Millisecond, SkewP99: time.Duration(rng.Float64()*12+25) * time.Millisecond,
			EventP50: 4 * time.Millisecond, EventP99: time.Duration(rng.Float64()*12+20) * time.Millisecond,
		}
		switch {
		case i == 30:
			s.Open, s.Drops = 0, 1998
		case i == 31:
			s.Open, s.Attempts = 300, 2600
		case i == 50:
			s.Open, s.Drops = 1398, 600
		default:
			s.Open = min(s.Due, 1998)
		}
		open = s.Open
		r.Timeline = append(r.Timeline, s)
	}
	r.Storms = []load.Storm{
		storm(rng, 30*time.Second, "server", 1998, 1997, 1000*time.Millisecond, 900*time.Millisecond),
		storm(rng, 50*time.Second, "kill", 600, 600, 0, 1200*time.Millisecond),
	}
	return r
}

// storm returns one whose streams are back after a time that is uniform in [down, down+2·spread).
func storm(rng *rand.Rand, at time.Duration, cause string, dropped, back int, down, spread time.Duration) load.Storm {
	s := load.Storm{At: at, Cause: cause, Dropped: dropped, Back: back}
	var times []time.Duration
	for range back {
		times = append(times, down+time.Duration(rng.Float64()*float64(2*spread)))
	}
	slices.Sort(times)
	n := int(times[back-1]/(100*time.Millisecond)) + 1
	s.Per100ms, s.BackPer100ms = make([]int64, n), make([]int64, n)
	for _, d := range times {
		s.BackPer100ms[d/(100*time.Millisecond)]++
		s.Per100ms[d/(100*time.Millisecond)]++
		if d > time.Second {
			s.Per100ms[(d-time.Second)/(100*time.Millisecond)]++ // which was refused
		}
	}
	for _, n := range s.Per100ms {
		s.Attempts += n
		s.Busiest = max(s.Busiest, n)
	}
	s.Back50, s.Back99 = times[dropped/2-1], times[dropped*99/100-1]
	if back == dropped {
		s.Back100 = times[back-1]
	}
	return s
}

func check(t *testing.T, r *load.Report, texts ...string) (results []assertion.Result) {
	for _, text := range texts {
		a, err := assertion.Parse(text)
		require.NoError(t, err)
		results = append(results, a.Check(r))
	}
	return results
}
