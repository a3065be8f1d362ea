package fleet

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

var rest = flag.Duration("rest", 0, "how long to measure 2000 streams without events on two members; docs/fleet.md has what came of it")

// TestRest measures what streams cost on which nothing happens, beside as many in processes that
// have only a Client.
func TestRest(t *testing.T) {
	if *rest == 0 {
		t.Skip("it measures, for minutes: -rest 10m")
	}
	const members, streams = 2, 2000
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	feeds := serveFeeds(t)
	var fleet, bare []*process
	for i := range members {
		fleet = append(fleet, startMember(t, fmt.Sprint("m", i), node.ClientURL(), "", feeds, streams, 15*time.Second, 1))
		bare = append(bare, startProcess(t, "FLEET_ROLE=bare", fmt.Sprint("FLEET_NAME=b", i), "FLEET_FEEDS="+feeds.URL, "FLEET_STREAMS="+strconv.Itoa(streams/members)))
	}
	// The same processes without streams: what they cost is not for each stream.
	node2 := startNode(t, server.Options{})
	newBucket(t, node2.ClientURL(), 1)
	none := []*process{startMember(t, "none", node2.ClientURL(), "", feeds, 0, 15*time.Second, 1)}
	bareNone := []*process{startProcess(t, "FLEET_ROLE=bare", "FLEET_NAME=none", "FLEET_FEEDS="+feeds.URL, "FLEET_STREAMS=0")}
	eventually(t, 5*time.Minute, "even shares", func() bool { return even(owners(t, kv), members, streams) })
	ctx := t.Context()
	_ = sleep(ctx, 30*time.Second) // until all is quiet
	first, cpu := writes(t, kv), times(fleet)
	_ = sleep(ctx, *rest)
	require.Equal(t, map[string]int{"m0": streams / 2, "m1": streams / 2}, owners(t, kv))
	t.Logf("%.2f writes a second at rest, by two members with a TTL of 15 s", float64(writes(t, kv)-first)/rest.Seconds())
	t.Logf("%.2f %% of a processor in both members", 100*(times(fleet)-cpu).Seconds()/rest.Seconds())
	for _, p := range slices.Concat(fleet, bare, none, bareNone) {
		p.signal(syscall.SIGUSR1) // what is garbage is no cost of a stream
	}
	_ = sleep(ctx, 5*time.Second)
	perStream := func(with, without []*process) float64 {
		return (resident(t, with) - members*resident(t, without)) / 1024 / streams
	}
	inMembers, inClients := perStream(fleet, none), perStream(bare, bareNone)
	t.Logf("resident memory for each stream: %.1f KiB in members, %.1f KiB in processes with a Client only, %.1f KiB more; a member without streams takes %.1f MiB",
		inMembers, inClients, inMembers-inClients, resident(t, none)/1024/1024)
}

// freeOnSignal returns memory that is not used to the system when the process is told to.
func freeOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		for range signals {
			debug.FreeOSMemory()
		}
	}()
}

// bareProcess reads streams with a Client, and nothing else.
func bareProcess() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	freeOnSignal()
	streams, err := strconv.Atoi(os.Getenv("FLEET_STREAMS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	client := new(sse.Client)
	var all sync.WaitGroup
	for _, url := range feedURLs(os.Getenv("FLEET_FEEDS"), streams) {
		all.Go(func() {
			for _, err := range client.Get(ctx, url) {
				if err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	<-ctx.Done()
	return 0
}
