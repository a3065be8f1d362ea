package load_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lastevent/sse/load"
)

// TestClean: of a server without faults, the report shows what it does, and no fault.
func TestClean(t *testing.T) {
	t.Parallel()
	r, h := trial{Config: load.Config{Streams: 100, Ramp: 10 * time.Second, Duration: 30 * time.Second, Time: sentAt}}.run(t)
	assert.Equal(t, 40*time.Second, r.Elapsed)
	assert.Equal(t, load.Streams{Asked: 100, Opened: 100, Held: 100}, r.Streams)
	assert.EqualValues(t, 400, h.published())
	assert.InDelta(t, 100*350, r.Traffic.Events, 200)
	assert.InDelta(t, 1000, r.Traffic.EventsPerSecond, 10)
	assert.Equal(t, load.Sequence{Numbered: r.Traffic.Events, Examples: []string{}}, r.Sequence)
	assert.EqualValues(t, 100, r.Latency.Connect.Count)
	assert.EqualValues(t, 100, r.Latency.Header.Count)
	assert.EqualValues(t, 100, r.Latency.FirstEvent.Count)
	assert.Less(t, r.Latency.FirstEvent.Max, 101*time.Millisecond)
	assert.Zero(t, r.Latency.Skew.Max)
	assert.Positive(t, r.Latency.Skew.Count)
	assert.Zero(t, r.Latency.Event.Max)
	assert.Empty(t, r.Storms)
	assert.Empty(t, r.Ends)
	assert.Empty(t, r.Failures)
	assert.Empty(t, r.Stopped)
	assert.Empty(t, r.Client.Bottleneck)
	assert.Len(t, r.Timeline, 40)
}
