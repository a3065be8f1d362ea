package load_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/load"
)

// within requires that got is at most a tenth off.
func within(t *testing.T, want, got float64, what string) {
	t.Helper()
	assert.InDelta(t, want, got, want/10, what)
}

// blameless requires that the report shows no fault but those of the fields that except names.
func blameless(t *testing.T, r *load.Report, except ...string) {
	t.Helper()
	for name, n := range map[string]int64{
		"missing": r.Sequence.Missing, "repeated": r.Sequence.Repeated, "outOfOrder": r.Sequence.OutOfOrder,
		"stalled": int64(r.Sequence.Stalled), "streams": int64(r.Sequence.Streams), "examples": int64(len(r.Sequence.Examples)),
		"lost": int64(r.Streams.Lost), "refused": int64(r.Streams.Refused), "away": int64(r.Streams.Away), "drops": int64(r.Streams.Drops),
		"storms": int64(len(r.Storms)), "skew": int64(r.Latency.Skew.Max), "late": int64(r.Latency.Late.Max), "event": int64(r.Latency.Event.Max),
		"stopped": int64(len(r.Stopped)), "note": int64(len(r.Sequence.Note)), "bottleneck": int64(len(r.Client.Bottleneck)),
	} {
		if !slices.Contains(except, name) {
			assert.Zero(t, n, name)
		}
	}
	assert.Equal(t, r.Streams.Opened, r.Streams.Held+r.Streams.Away+r.Streams.Done+r.Streams.Lost)
	assert.Equal(t, r.Streams.Asked, r.Streams.Opened+r.Streams.Refused)
}

// minute is a run of so many streams that lasts a minute, on a server that publishes ten events a second.
func minute(streams int) trial {
	return trial{
		Config:   load.Config{Streams: streams, Ramp: 5 * time.Second, Duration: 55 * time.Second, Time: sentAt},
		interval: 100 * time.Millisecond,
	}
}

// TestDrops: the server drops every 100th event for one client in ten.
func TestDrops(t *testing.T) {
	t.Parallel()
	tr := minute(50)
	tr.hub = &hub{faults: faults{drop: func(client int, n int64) bool { return client%10 == 0 && n%100 == 0 }}}
	r, h := tr.run(t)
	require.EqualValues(t, 600, h.published())
	assert.EqualValues(t, 5*5, r.Sequence.Missing) // that of 600 is not missed yet: no later one was sent
	assert.Equal(t, 5, r.Sequence.Streams)
	assert.Len(t, r.Sequence.Examples, 4)
	assert.Contains(t, r.Sequence.Examples[0], "0 read 101 after 99")
	blameless(t, r, "missing", "streams", "examples")
}

// TestRepeats: the server repeats five events after each resumption.
func TestRepeats(t *testing.T) {
	t.Parallel()
	tr := minute(50)
	tr.hub = &hub{faults: faults{replay: 5}}
	tr.Kill = []load.Kill{{Fraction: 0.5, At: 20 * time.Second}, {Fraction: 0.3, At: 40 * time.Second}}
	r, _ := tr.run(t)
	assert.EqualValues(t, 40*5, r.Sequence.Repeated)
	assert.Equal(t, 40, r.Streams.Killed)
	assert.Equal(t, 40, r.Streams.Reconnects)
	assert.GreaterOrEqual(t, r.Sequence.Streams, 25)
	blameless(t, r, "repeated", "streams", "examples", "storms", "event")
}

// TestReorders: the server swaps every 50th event with the next one.
func TestReorders(t *testing.T) {
	t.Parallel()
	tr := minute(50)
	tr.hub = &hub{faults: faults{swap: func(_ int, n int64) bool { return n%50 == 0 }}}
	r, h := tr.run(t)
	within(t, float64(50*h.published()/50), float64(r.Sequence.OutOfOrder), "out of order")
	assert.Equal(t, 50, r.Sequence.Streams)
	blameless(t, r, "outOfOrder", "streams", "examples", "event") // the first of a pair waits for the second
}

// TestStalls: the server stalls one client in a hundred.
func TestStalls(t *testing.T) {
	t.Parallel()
	tr := minute(100)
	tr.hub = &hub{faults: faults{stall: func(client int, n int64) bool { return client%100 == 99 && n > 200 }}}
	r, _ := tr.run(t)
	assert.Equal(t, 1, r.Sequence.Stalled)
	assert.Equal(t, 1, r.Sequence.Streams)
	assert.Equal(t, 100, r.Streams.Held)
	assert.Contains(t, r.Sequence.Examples[0], "stayed at 200")
	blameless(t, r, "stalled", "streams", "examples")
}

// TestStallOfOneThatNeverRead: the server sends nothing at all to some.
func TestStallOfOneThatNeverRead(t *testing.T) {
	t.Parallel()
	tr := minute(50)
	tr.hub = &hub{faults: faults{stall: func(client int, _ int64) bool { return client == 7 }}}
	r, _ := tr.run(t)
	assert.Equal(t, 1, r.Sequence.Stalled)
	assert.EqualValues(t, 49, r.Latency.FirstEvent.Count)
	blameless(t, r, "stalled", "streams", "examples")
}

// TestQuiet: where nothing is sent, nothing stalls.
func TestQuiet(t *testing.T) {
	t.Parallel()
	tr := minute(20)
	tr.interval = 25 * time.Second
	r, _ := tr.run(t)
	assert.EqualValues(t, 40, r.Traffic.Events)
	blameless(t, r)
}

// TestDelays: the server sends each event 300 ms later to half of its clients.
func TestDelays(t *testing.T) {
	t.Parallel()
	const delay = 300 * time.Millisecond
	tr := minute(40)
	tr.hub = &hub{faults: faults{delay: func(client int, _ int64) time.Duration {
		if client%2 == 0 {
			return 0
		}
		return delay
	}}}
	r, h := tr.run(t)
	for _, d := range []time.Duration{r.Latency.Skew.P50, r.Latency.Skew.P99, r.Latency.Late.P90, r.Latency.Event.P90} {
		within(t, float64(delay), float64(d), "delay")
	}
	assert.Zero(t, r.Latency.Event.P50)
	within(t, float64(h.published()), float64(r.Latency.Skew.Count), "events")
	for _, s := range r.Timeline[6:55] {
		within(t, float64(delay), float64(s.SkewP50), "skew in the timeline")
		within(t, float64(delay), float64(s.EventP99), "latency in the timeline")
	}
	blameless(t, r, "skew", "late", "event")
}

// TestLateForAll: the server sends each event 300 ms late to all: there is no skew.
func TestLateForAll(t *testing.T) {
	t.Parallel()
	tr := minute(20)
	tr.hub = &hub{faults: faults{delay: func(int, int64) time.Duration { return 300 * time.Millisecond }}}
	r, _ := tr.run(t)
	within(t, float64(300*time.Millisecond), float64(r.Latency.Event.P50), "latency")
	within(t, float64(300*time.Millisecond), float64(r.Latency.Event.P99), "latency")
	blameless(t, r, "event")
}

// A recorder is a transport that notes each attempt, and when each header came.
type recorder struct {
	http.RoundTripper
	mu       sync.Mutex
	attempts []time.Time
	headers  []time.Time
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.attempts = append(r.attempts, time.Now())
	r.mu.Unlock()
	resp, err := r.RoundTripper.RoundTrip(req)
	if err == nil {
		r.mu.Lock()
		r.headers = append(r.headers, time.Now())
		r.mu.Unlock()
	}
	return resp, err
}

// after returns the times since start of those from that time on, ascending.
func after(times []time.Time, start time.Time) (all []time.Duration) {
	for _, t := range times {
		if !t.Before(start) {
			all = append(all, t.Sub(start))
		}
	}
	slices.Sort(all)
	return all
}

// busiest returns how many of times are in the same 100 ms since the start of a run, which had lasted for at.
func busiest(times []time.Duration, at time.Duration) (most int64) {
	steps := make(map[time.Duration]int64)
	for _, t := range times {
		step := (at + t) / (100 * time.Millisecond)
		steps[step]++
		most = max(most, steps[step])
	}
	return most
}

// TestRestart: the server restarts, and is away for two seconds. The storm in the report is compared with what the
// transport saw.
func TestRestart(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]load.Config{"sse": {}, "browser": {Client: load.Browser()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const streams, down = 100, 2 * time.Second
			var rec recorder
			var stopped time.Time
			tr := minute(streams)
			tr.Client = client.Client
			tr.ExpectRestart = true
			tr.hub = &hub{faults: faults{header: 3 * time.Millisecond}}
			tr.wrap = func(next http.RoundTripper) http.RoundTripper { rec.RoundTripper = next; return &rec }
			tr.during = func(s *site, _ time.Time) {
				time.Sleep(20*time.Second + 50*time.Millisecond)
				stopped = time.Now()
				s.stop()
				time.Sleep(down)
				s.start()
			}
			r, _ := tr.run(t)
			require.Len(t, r.Storms, 1)
			storm := r.Storms[0]
			assert.Equal(t, "server", storm.Cause)
			assert.Equal(t, 20*time.Second+50*time.Millisecond, storm.At)
			assert.Equal(t, streams, storm.Dropped)
			assert.Equal(t, streams, storm.Back)
			attempts, headers := after(rec.attempts, stopped), after(rec.headers, stopped)
			require.Len(t, headers, streams)
			assert.EqualValues(t, len(attempts), storm.Attempts)
			assert.Equal(t, headers[streams/2-1], storm.Back50)
			assert.Equal(t, headers[streams*99/100-1], storm.Back99)
			assert.Equal(t, headers[streams-1], storm.Back100)
			assert.Equal(t, busiest(attempts, storm.At), storm.Busiest)
			var sum, back int64
			for _, n := range storm.Per100ms {
				sum += n
			}
			for _, n := range storm.BackPer100ms {
				back += n
			}
			assert.EqualValues(t, len(attempts), sum)
			assert.EqualValues(t, streams, back)
			if name == "browser" {
				assert.EqualValues(t, streams, storm.Busiest) // all at once
				assert.Equal(t, 3*time.Second+3*time.Millisecond, storm.Back50)
			} else {
				assert.Less(t, storm.Busiest, int64(streams/2))
			}
			assert.Equal(t, streams, r.Streams.Drops)
			assert.Equal(t, streams, r.Streams.Reconnects)
			assert.EqualValues(t, streams, r.Latency.Reconnect.Count)
			blameless(t, r, "storms", "drops", "event")
		})
	}
}

// TestKill: Run cuts 30 % of the connections.
func TestKill(t *testing.T) {
	t.Parallel()
	var rec recorder
	tr := minute(100)
	tr.Kill = []load.Kill{{Fraction: 0.3, At: 30 * time.Second}}
	tr.wrap = func(next http.RoundTripper) http.RoundTripper { rec.RoundTripper = next; return &rec }
	var start time.Time
	tr.during = func(_ *site, now time.Time) { start = now }
	r, _ := tr.run(t)
	require.Len(t, r.Storms, 1)
	storm := r.Storms[0]
	headers := after(rec.headers, start.Add(30*time.Second))
	require.Len(t, headers, 30)
	assert.Equal(t, load.Storm{
		At: 30 * time.Second, Cause: "kill", Dropped: 30, Back: 30, Attempts: 30,
		Back50: headers[14], Back99: headers[29], Back100: headers[29],
		Busiest: busiest(headers, storm.At), Per100ms: storm.Per100ms, BackPer100ms: storm.BackPer100ms,
	}, storm)
	assert.Equal(t, []load.Count{{What: "cut by Kill", N: 30, Example: r.Ends[0].Example}}, r.Ends)
	blameless(t, r, "storms", "event")
}

// TestStray: connections that end one by one are drops, and no storm.
func TestStray(t *testing.T) {
	t.Parallel()
	tr := minute(100)
	var mu sync.Mutex
	ended := make(map[int64]bool)
	tr.hub = &hub{faults: faults{end: func(client int, n int64) bool {
		mu.Lock()
		defer mu.Unlock()
		if n <= 590 && n%5 == 0 && client == int(n/5)%100 && !ended[n] { // two a second
			ended[n] = true
			return true
		}
		return false
	}}}
	r, _ := tr.run(t)
	assert.Greater(t, len(ended), 50)
	assert.Equal(t, len(ended), r.Streams.Drops)
	assert.Equal(t, "closed by the server", r.Ends[0].What)
	blameless(t, r, "drops", "event", "away")
}
