package fleet

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

var scale = flag.String("scale", "", "numbers of streams to measure a fleet of four members with: 1000,10000; docs/fleet.md has what came of it")

// TestScale measures what streams cost, with real ones, and prints it. It asserts nothing
// about time.
func TestScale(t *testing.T) {
	if *scale == "" {
		t.Skip("it measures, for minutes: -scale 1000,10000")
	}
	for _, replicas := range []int{1, 3} {
		_, url := startCluster(t)
		kv := newBucket(t, url, replicas)
		t.Logf("R%d: %.0f writes a second, 64 at a time", replicas, writeRate(t, kv))
	}
	t.Logf("%.0f bytes of a member's memory for each stream of the fleet", viewSize())
	for _, n := range strings.Split(*scale, ",") {
		streams, err := strconv.Atoi(n)
		require.NoError(t, err)
		t.Run(n, func(t *testing.T) { measure(t, streams) })
	}
}

// writeRate returns how many updates of a bucket succeed in a second.
func writeRate(t *testing.T, kv jetstream.KeyValue) float64 {
	const each, at = 200, 64
	value := encode(positionRecord{Stream: "https://example.com/a/stream/of/usual/length", LastEventID: "0123456789abcdef"})
	began := time.Now()
	var wg sync.WaitGroup
	var failed atomic.Value
	for i := range at {
		wg.Go(func() {
			var revision uint64
			var err error
			for range each {
				if revision, err = kv.Update(t.Context(), fmt.Sprint("position.", i), value, revision); err != nil {
					failed.Store(err)
				}
			}
		})
	}
	wg.Wait()
	require.Nil(t, failed.Load())
	return each * at / time.Since(began).Seconds()
}

// viewSize returns the bytes of memory that a member needs for each stream that is another's.
func viewSize() float64 {
	const n = 100_000
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := heap()
	own := newList(feedURLs("https://example.com/a/stream/of/usual/length", n))
	v := newView("self", "self", own)
	v.see(alive("other", 1))
	for _, url := range own.streams {
		v.see(leased(url, "other", 2))
	}
	size := (heap() - before) / n
	runtime.KeepAlive(v)
	return size
}

// measure runs four members on a cluster of three nodes.
func measure(t *testing.T, streams int) {
	const (
		members  = 4
		interval = 10 * time.Second // of commits
	)
	_, url := startCluster(t)
	kv := newBucket(t, url, 3)
	feeds, count := serveFeeds(t), newTally()
	sink := serveSink(t, count)
	began := time.Now()
	var fleet []*process
	for i := range members {
		fleet = append(fleet, startProcess(t, "FLEET_ROLE=member", fmt.Sprint("FLEET_NAME=m", i), "FLEET_NATS="+url,
			"FLEET_SINK="+sink, "FLEET_COUNT=leases",
			"FLEET_TTL=15s", "FLEET_COMMIT=0", "FLEET_INTERVAL="+interval.String(), "FLEET_FEEDS="+feeds.URL, "FLEET_STREAMS="+strconv.Itoa(streams)))
	}
	eventually(t, 5*time.Minute, "even shares", func() bool { return even(count.owners(), members, streams) })
	t.Logf("%d streams shared evenly after %.0f s", streams, time.Since(began).Seconds())

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for sleep(ctx, 10*time.Second) == nil {
			feeds.publish(1)
		}
	}()
	_ = sleep(ctx, 2*interval)
	first, cpu := writes(t, kv), times(fleet)
	const window = 30 * time.Second
	_ = sleep(ctx, window)
	t.Logf("%.1f writes a second for %.0f events a second: a commit of each stream each %v, and renewals",
		float64(writes(t, kv)-first)/window.Seconds(), float64(streams)/10, interval)
	t.Logf("%.1f %% of a processor and %.1f KiB of resident memory in the members for each 1000 and each one of their streams",
		100*(times(fleet)-cpu).Seconds()/window.Seconds()*1000/float64(streams), resident(t, fleet)/1024/float64(streams))

	killed := time.Now()
	fleet[1].kill()
	took := func(members int) float64 {
		eventually(t, 5*time.Minute, "even shares", func() bool { return even(count.owners(), members, streams) })
		return time.Since(killed).Seconds()
	}
	t.Logf("killed with SIGKILL: all of its streams are leased again after %.1f s (TTL 15 s)", took(3))
	killed = time.Now()
	fleet[2].signal(syscall.SIGTERM)
	t.Logf("stopped: after %.1f s", took(2))
}

// writes returns how many the bucket has seen.
func writes(t *testing.T, kv jetstream.KeyValue) uint64 {
	status, err := kv.Status(t.Context())
	require.NoError(t, err)
	return status.(*jetstream.KeyValueBucketStatus).StreamInfo().State.LastSeq
}

// times returns the processor time of processes so far.
func times(processes []*process) (sum time.Duration) {
	for _, p := range processes {
		fields := strings.Fields(readProc(p, "stat"))
		for _, i := range []int{13, 14} { // ticks of 10 ms: user, system
			n, _ := strconv.Atoi(fields[i])
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

// resident returns the resident memory of processes, in bytes.
func resident(t *testing.T, processes []*process) (sum float64) {
	for _, p := range processes {
		fields := strings.Fields(readProc(p, "status"))
		i := slices.Index(fields, "VmRSS:")
		require.Positive(t, i)
		n, err := strconv.Atoi(fields[i+1])
		require.NoError(t, err)
		sum += float64(n) * 1024
	}
	return sum
}

func readProc(p *process, file string) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	require.NoError(p.t, err)
	return string(b)
}
