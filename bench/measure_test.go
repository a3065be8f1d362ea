package bench

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSamples(t *testing.T) {
	s := Samples{5, 1, 4, 2, 3}
	assert.Equal(t, 3.0, s.Median())
	assert.Equal(t, 1.0, s.Quantile(0))
	assert.Equal(t, 2.0, s.Quantile(0.25))
	assert.Equal(t, 5.0, s.Quantile(1))
	assert.Equal(t, 1.5, Samples{1, 2}.Median())
	assert.True(t, math.IsNaN(Samples{}.Median()))
	assert.Equal(t, Samples{5, 0.5}, s.Over(Samples{1, 2}))
	b, err := json.Marshal(Samples{1.0 / 3, 12345678})
	require.NoError(t, err)
	assert.Equal(t, "[0.333333,1.23457e+07]", string(b))
}

// TestThroughput: every subject that passes its check has a time for each round, and the
// one that fails has none.
func TestThroughput(t *testing.T) {
	llm, cr := Corpora()[0], Corpora()[2]
	subjects := append(Ours(), Peers()[0])
	require.Equal(t, "openai-go", subjects[2].Name)
	for _, r := range measureThroughput([]Corpus{llm, cr}, subjects, 2, time.Millisecond) {
		if r.Corpus == cr.Name && r.Subject == "openai-go" {
			assert.NotEmpty(t, r.Fails)
			assert.Empty(t, r.Times)
			continue
		}
		assert.Empty(t, r.Fails)
		assert.Len(t, r.Times, 2)
		assert.Greater(t, r.Times.Quantile(0), 0.0)
		want := 1.0
		if r.Subject == "sse.Parser" {
			want = 0
		}
		assert.InDelta(t, want, r.Allocs, 0.05, r.Subject)
	}
}

func server(t *testing.T) string {
	url, stop, err := startServer()
	require.NoError(t, err)
	t.Cleanup(stop)
	return url
}

func TestTransfers(t *testing.T) {
	url := server(t)
	for _, transport := range TransportsForTransfers {
		for _, mode := range []string{"bulk", "writes", "flush"} {
			ts, err := measureTransfers(url, mode, transport, 1000, 2)
			require.NoError(t, err)
			require.Len(t, ts, len(transfers()))
			for _, r := range ts {
				assert.Len(t, r.Wall, 2)
				assert.Greater(t, r.Wall.Quantile(0), 0.0)
			}
		}
	}
	_, err := measureTransfers(url, "idle/none", TransportsForTransfers[0], 1, 1)
	assert.Error(t, err)
}

func TestIdle(t *testing.T) {
	url := server(t)
	for _, subject := range IdleSubjects {
		r, err := measureIdle(url, subject, "HTTP/1.1", 20)
		require.NoError(t, err)
		assert.Equal(t, subject, r.Subject)
		assert.Greater(t, r.Heap, 1000.0, subject)
		assert.Less(t, r.Heap, 200_000.0, subject)
		assert.InDelta(t, 3.5, r.Goroutines, 2.6, subject)
	}
	for _, subject := range []string{"net/http", "sse.Parser", "sse.Events"} {
		r, err := measureIdle(url, subject, Lean, 20)
		require.NoError(t, err)
		assert.InDelta(t, 1, r.Goroutines, 0.2, subject)
	}
	_, err := measureIdle("http://127.0.0.1:1", "sse.Parser", "HTTP/1.1", 1)
	assert.Error(t, err)
}

func TestDelay(t *testing.T) {
	ds, err := measureDelay(server(t), 50, 2)
	require.NoError(t, err)
	for _, d := range ds {
		assert.Len(t, d.P50, 2, d.Subject)
		assert.Greater(t, d.P50.Quantile(0), 0.0, d.Subject)
		assert.GreaterOrEqual(t, d.P99.Quantile(0), d.P50.Quantile(0), d.Subject)
	}
}

// TestPromptness: every client delivers the events of both servers.
func TestPromptness(t *testing.T) {
	servers := slowServers()
	for i := range servers {
		servers[i].events, servers[i].every = 30, 2*time.Millisecond
	}
	require.Len(t, PromptnessServers(), len(servers))
	ps, err := measurePromptness(server(t), servers)
	require.NoError(t, err)
	require.Len(t, ps, len(servers)*(len(prompters())+1))
	for _, p := range ps {
		if p.Subject == "curl" && p.Fails == "is not installed" {
			continue
		}
		assert.Empty(t, p.Fails, "%s, %s", p.Subject, p.Server)
		assert.Greater(t, p.All.P50, 0.0, "%s, %s", p.Subject, p.Server)
		assert.GreaterOrEqual(t, p.All.P99, p.All.P50, "%s, %s", p.Subject, p.Server)
		assert.Greater(t, p.Late.P50, 0.0, "%s, %s", p.Subject, p.Server)
	}
}

// TestArrivals: an event has arrived when the read that brought its last byte returned.
func TestArrivals(t *testing.T) {
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0) }
	var r tap
	for i, read := range []string{"HTTP/1.1 200 OK\r\n\r\n5\r\nabc", "d", "e\r", "\n3\r\nfgh\r\n0\r\n\r\n"} {
		r.bytes = append(r.bytes, read...)
		r.ends, r.times = append(r.ends, len(r.bytes)), append(r.times, at(int64(i)))
	}
	got, err := r.arrivals(2)
	require.NoError(t, err)
	assert.Equal(t, []time.Time{at(0), at(1), at(3), at(3)}, got)
	r.bytes = r.bytes[:len(r.bytes)-5]
	_, err = r.arrivals(2)
	assert.ErrorIs(t, err, errFraming)
}

func TestBusy(t *testing.T) {
	bs, err := measureBusy(server(t), 10, 10*time.Millisecond, 100*time.Millisecond, 2)
	require.NoError(t, err)
	require.Len(t, bs, len(busySubjects))
	for _, b := range bs {
		assert.Len(t, b.CPU, 2, b.Subject)
		assert.Greater(t, b.CPU.Median(), 0.0, b.Subject)
	}
	_, err = measureBusy("http://127.0.0.1:1", 1, time.Millisecond, time.Millisecond, 1)
	assert.Error(t, err)
}

func TestIDs(t *testing.T) {
	all, err := measureIDs([]int{8, 1 << 20}, 2)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for _, ids := range all {
		assert.Equal(t, []string{"8 bytes", "1 MiB"}, ids.Sizes)
		for i := range ids.Sizes {
			assert.Len(t, ids.First[i], 2, ids.Subject)
			assert.Len(t, ids.Rest[i], 2, ids.Subject)
			assert.Greater(t, ids.Rest[i].Quantile(0), 0.0, ids.Subject)
		}
	}
}

func TestReconnect(t *testing.T) {
	r, err := measureReconnect(server(t), 5, 10*time.Millisecond)
	require.NoError(t, err)
	require.Len(t, r.Total, 5)
	assert.GreaterOrEqual(t, r.Total.Quantile(0), 10.0)
	assert.Greater(t, r.Overhead.Quantile(0), 0.0)
}

func TestHerd(t *testing.T) {
	h, err := measureHerd(server(t), 20, 2, 100*time.Millisecond)
	require.NoError(t, err)
	require.Len(t, h.Busiest, 2)
	assert.GreaterOrEqual(t, h.First.Quantile(0), 100.0)
	assert.GreaterOrEqual(t, h.Sliding.Quantile(0), h.Busiest.Quantile(0))

	var one Herd
	one.add([]time.Duration{350 * time.Millisecond, 110 * time.Millisecond, 290 * time.Millisecond, 320 * time.Millisecond})
	assert.Equal(t, Samples{50}, one.Busiest)
	assert.Equal(t, Samples{75}, one.Sliding)
	assert.Equal(t, Samples{110}, one.First)
}

func TestScaling(t *testing.T) {
	s := Scaling{Sizes: []string{"1", "2"}}
	s.measure([]Corpus{oneLine("", "", 1, 1000, 10), oneLine("", "", 1, 2000, 10)}, 3)
	require.Len(t, s.Times, 2)
	require.Len(t, s.Times[1], 3)
	s.Times = []Samples{{1, 2}, {3, 8}}
	assert.Equal(t, []Samples{{3, 4}}, s.Ratios())
}
