package fleet

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	chaosTime = flag.Duration("chaos", 10*time.Second, "how long members and nodes are killed and paused")
	chaosTrip = flag.Duration("chaos.trip", 0, "round trip between the members and NATS")
	chaosSeed = flag.Uint64("chaos.seed", 0, "of the faults; 0: a random one")
)

// TestChaos: members are killed, paused for longer than their leases, and stopped, and nodes of
// NATS are killed, at random. Each event is handled, none by who has lost its lease.
func TestChaos(t *testing.T) {
	const (
		members = 4
		streams = 400
		commit  = 5 // events
		ttl     = 5 * time.Second
	)
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos %v -chaos.seed %d -chaos.trip %v", *chaosTime, seed, *chaosTrip)
	random := rand.New(rand.NewPCG(seed, 0))

	nodes, natsURL := startCluster(t)
	kv := newBucket(t, natsURL, 3)
	feeds, count := serveFeeds(t), newTally()
	sink := serveSink(t, count)
	memberURL := natsURL
	if *chaosTrip > 0 {
		var slow []string
		for _, url := range strings.Split(natsURL, ",") {
			slow = append(slow, slowProxy(t, strings.TrimPrefix(url, "nats://"), *chaosTrip))
		}
		memberURL = strings.Join(slow, ",")
	}
	var fleet []*process
	pauses := make(map[string]int) // by member
	for i := range members {
		fleet = append(fleet, startMember(t, fmt.Sprint("m", i), memberURL, sink, feeds, streams, ttl, commit))
	}
	published := 0
	calm := func() time.Duration {
		var spread map[string]int
		var missing []string
		defer func() {
			if t.Failed() {
				t.Log(spread, missing)
			}
		}()
		return eventually(t, time.Minute, "even shares, and all handled", func() bool {
			spread, missing = owners(t, kv), count.missing(published)
			return even(spread, members, streams) && len(missing) == 0
		})
	}
	t.Log("first even after", calm())

	var kills, stops, paused, nodesKilled int
	for end := time.Now().Add(*chaosTime); time.Now().Before(end); {
		// A round: faults for some seconds, then all of them heal and the shares are even again.
		var heal []func()
		for _, i := range random.Perm(members)[:1+random.IntN(2)] {
			m := fleet[i]
			switch random.IntN(3) {
			case 0:
				kills++
				m.kill()
				heal = append(heal, m.start)
			case 1:
				stops++
				m.signal(syscall.SIGTERM)
				heal = append(heal, func() { _ = m.cmd.Wait(); m.start() })
			case 2:
				paused++
				pauses[fmt.Sprint("m", i)]++
				m.signal(syscall.SIGSTOP)
				heal = append(heal, func() { m.signal(syscall.SIGCONT) })
			}
		}
		if random.IntN(3) == 0 || nodesKilled == 0 {
			nodesKilled++
			n := nodes[random.IntN(len(nodes))]
			n.kill()
			heal = append(heal, n.start)
		}
		for range 6 + random.IntN(5) { // seconds: longer than a lease
			feeds.publish(1)
			published++
			time.Sleep(time.Second)
		}
		for _, f := range heal {
			f()
		}
		feeds.publish(3)
		published += 3
		t.Log("even again after", calm())
	}

	count.mu.Lock()
	defer count.mu.Unlock()
	leases, repeats, late := 0, 0, make(map[refusal]int)
	for stream, s := range count.streams {
		leases += s.leases
		repeats += s.repeats
		require.LessOrEqual(t, s.repeats, commit*(s.leases-1), stream)
	}
	for _, r := range count.refused {
		late[r]++
		require.LessOrEqual(t, late[r], pauses[r.member], "only the one event that a member had in hand when it was paused: %v", r)
	}
	t.Logf("%d kills, %d pauses longer than the lease, %d graceful stops; %d nodes of NATS killed", kills, paused, stops, nodesKilled)
	t.Logf("%d events of %d streams handled, %d lost, %d again; %d leases; %d refused by their token", published*streams, streams, count.gaps, repeats, leases, len(count.refused))
	require.Zero(t, count.gaps)
	require.Len(t, count.streams, streams)
}
