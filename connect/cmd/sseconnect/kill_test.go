package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const batch = 10

// A killTest is the outside of a pipeline that is killed: the server of its stream, and the
// server that gets its batches.
type killTest struct {
	sinking sync.WaitGroup // requests of sink

	mu       sync.Mutex
	sent     int         // the largest number that a stream has sent
	last     int         // the number after which streams end; 0: none
	received map[int]int // how often each event has arrived
	news     int         // events that have arrived for the first time, in this run
	repeats  int         // events that had arrived before, in this run
}

// feed streams numbers without end, from the one after the Last-Event-ID.
func (k *killTest) feed(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	for first := true; ; first = false {
		n++
		k.mu.Lock()
		over := k.last > 0 && n > k.last
		if !over {
			k.sent = max(k.sent, n)
		}
		k.mu.Unlock()
		switch {
		case over && first:
			w.WriteHeader(http.StatusNoContent)
			return
		case over:
			return
		case first:
			w.Header().Set("Content-Type", "text/event-stream")
		}
		if _, err := fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		select {
		case <-time.After(time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
}

// sink takes a batch: lines with a number each.
func (k *killTest) sink(w http.ResponseWriter, r *http.Request) {
	k.sinking.Add(1)
	defer k.sinking.Done()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the pipeline was killed in the middle: this is no batch
	}
	defer time.Sleep(rand.N(4 * time.Millisecond)) // what has arrived is not yet acknowledged
	k.mu.Lock()
	defer k.mu.Unlock()
	for line := range strings.Lines(string(body)) {
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			n = -1
		}
		if k.received[n]++; k.received[n] == 1 {
			k.news++
		} else {
			k.repeats++
		}
	}
}

// begin begins to count a run.
func (k *killTest) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.news, k.repeats = 0, 0
}

func (k *killTest) run() (news, repeats int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.news, k.repeats
}

// TestKill kills a pipeline 50 times: every event arrives, and each run repeats no more than
// the batch that was under way.
func TestKill(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 10
	}
	k := &killTest{received: map[int]int{}}
	source := httptest.NewServer(http.HandlerFunc(k.feed))
	sink := httptest.NewServer(http.HandlerFunc(k.sink))
	t.Cleanup(func() {
		source.CloseClientConnections()
		source.Close()
		sink.CloseClientConnections()
		sink.Close()
	})
	dir := t.TempDir()
	config := filepath.Join(dir, "pipeline.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
input:
  sse:
    url: %s
    checkpoint_limit: %d
    position: { cache: positions, key: position }
output:
  http_client:
    url: %s
    verb: POST
    batching:
      count: %d
      period: 5ms
      processors: [ { archive: { format: lines } } ]
cache_resources:
  - label: positions
    file: { directory: %s }
http: { enabled: false }
`, source.URL, batch, sink.URL, batch, dir), 0o600))

	started := time.Now()
	repeated, most := 0, 0
	for run := range kills {
		k.begin()
		ctx, cancel := context.WithCancel(t.Context())
		p := command(ctx, nil, "-c", config)
		require.NoError(t, p.Start())
		if run%10 == 9 { // while it starts
			time.Sleep(rand.N(300 * time.Millisecond))
		} else {
			enough := rand.IntN(5 * batch)
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
				if news, _ := k.run(); news > enough {
					break
				}
				require.True(t, time.Now().Before(deadline), &p.output)
			}
			time.Sleep(rand.N(3 * time.Millisecond))
		}
		cancel() // SIGKILL
		require.Error(t, p.Wait())
		sink.CloseClientConnections()
		k.sinking.Wait() // no batch of this run arrives in the next one
		_, repeats := k.run()
		require.LessOrEqual(t, repeats, batch, "run %d", run)
		repeated += repeats
		most = max(most, repeats)
	}
	k.begin()
	k.mu.Lock()
	k.last = k.sent
	k.mu.Unlock()
	p := command(t.Context(), nil, "-c", config)
	require.NoError(t, p.Run(), &p.output)
	_, repeats := k.run()
	require.LessOrEqual(t, repeats, batch)
	repeated += repeats
	require.Positive(t, repeated, "no kill was in the middle of something")
	require.Len(t, k.received, k.last)
	for n := 1; n <= k.last; n++ {
		require.Positive(t, k.received[n], n)
	}
	t.Logf("killed %d times in %v: %d events, 0 lost, %d repeated, at most %d after one kill (a batch is %d)",
		kills, time.Since(started).Round(time.Second), k.last, repeated, max(most, repeats), batch)
}
