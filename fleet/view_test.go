package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)

func testView(streams ...string) *view {
	return newView("self", "myself", newList(streams))
}

func (v *view) see(e entry) { _ = v.apply(e, noon, time.Second) }

func (v *view) share() (RebalanceInfo, int, bool) {
	p := v.makePlan()
	return p.info, p.rank, p.ok
}

func alive(session string, revision uint64) entry {
	return entry{key: memberPrefix + session, value: encode(memberRecord{Member: session, TTL: time.Second}), revision: revision}
}

func leased(stream, session string, revision uint64) entry {
	return entry{key: leaseKey(stream), value: encode(leaseRecord{Stream: stream, Session: session}), revision: revision}
}

func gone(key string, revision uint64) entry {
	return entry{key: key, revision: revision, deleted: true}
}

func TestViewShare(t *testing.T) {
	v := testView("a", "b", "c", "d", "e", "f", "g")
	_, _, ok := v.share()
	require.False(t, ok, "before the own record is seen")
	v.see(alive("self", 1))
	info, _, ok := v.share()
	require.True(t, ok)
	require.Equal(t, RebalanceInfo{Members: 1, Streams: 7, Share: 7, Lists: 1}, info)
	v.see(alive("t", 2))
	info, _, _ = v.share()
	require.Equal(t, RebalanceInfo{Members: 2, Streams: 7, Share: 4, Lists: 1}, info)
	v.see(alive("r", 3))
	v.see(alive("q", 4))
	info, rank, _ := v.share() // 2, 2, 2 and 1: who is last gets one less
	require.Equal(t, 2, rank, "q, r, self, t")
	require.Equal(t, RebalanceInfo{Members: 4, Streams: 7, Share: 2, Lists: 1}, info)
	v.see(alive("p", 5))
	info, _, _ = v.share()
	require.Equal(t, RebalanceInfo{Members: 5, Streams: 7, Share: 1, Lists: 1}, info)

	v.see(entry{key: memberPrefix + "p", value: encode(memberRecord{Member: "p", TTL: time.Second, Leaving: true}), revision: 6})
	v.see(gone(memberPrefix+"q", 7))
	v.see(entry{key: leaseKey("a"), value: encode(leaseRecord{Stream: "a", Ended: true}), revision: 8})
	info, _, _ = v.share()
	require.Equal(t, RebalanceInfo{Members: 3, Streams: 6, Share: 2, Lists: 1}, info)
	v.see(gone(leaseKey("a"), 9)) // an operator wants it read again
	info, _, _ = v.share()
	require.Equal(t, 7, info.Streams)
}

func TestViewFree(t *testing.T) {
	key := leaseKey("a")
	v := testView("a")
	require.True(t, v.free[key], "nobody has ever had it")
	v.see(alive("other", 1))
	v.see(leased("a", "other", 2))
	require.False(t, v.free[key])
	v.see(gone(key, 3))
	require.True(t, v.free[key], "released")
	v.see(leased("a", "other", 2))
	require.True(t, v.free[key], "what is old changes nothing")
	v.see(leased("a", "other", 4))
	v.see(gone(memberPrefix+"other", 5))
	require.True(t, v.free[key], "its owner is over")
	require.Equal(t, lease{revision: 4, session: "other"}, v.leases[key])
	v.see(leased("a", "other", 6))
	require.True(t, v.free[key], "a claim that came late")
	v.see(leased("a", "third", 7))
	require.False(t, v.free[key], "its owner's record is still to come")
	v.see(leased("a", "self", 8))
	require.False(t, v.free[key])
	require.True(t, v.held["self"][key])
	require.Empty(t, v.held["third"])
	v.see(entry{key: key, value: encode(leaseRecord{Stream: "a", Ended: true}), revision: 9})
	require.False(t, v.free[key])
	v.see(entry{key: key, value: []byte("junk"), revision: 10})
	require.True(t, v.free[key], "the next lease replaces what is none")
	v.see(leased("in no list of this member", "other", 11))
	require.Len(t, v.free, 1)
	v.see(entry{key: leasePrefix + probe, value: encode(leaseRecord{}), revision: 12})
	require.NotContains(t, v.leases, leasePrefix+probe, "what a member writes to see whether it may is no lease")
	v.see(gone(key, 10))
	require.True(t, v.free[key], "who deletes knows what was there, and not yet the revision of the deletion")
	v.see(gone(key, 9))
	require.Equal(t, uint64(10), v.leases[key].revision)
}

func TestViewSilent(t *testing.T) {
	v := testView("a", "b")
	v.see(alive("self", 1))
	v.see(alive("other", 2))
	v.see(leased("a", "unknown", 3))
	require.Empty(t, v.silent(noon.Add(time.Second)), "a TTL, and not a moment less")
	late := noon.Add(time.Second + 1)
	require.ElementsMatch(t, []string{"other", "unknown"}, v.silent(late))
	v.peers["unknown"].fencing = true
	require.Equal(t, []string{"other"}, v.silent(late))
	_ = v.apply(alive("other", 2), late, time.Second)
	require.Equal(t, []string{"other"}, v.silent(late), "the same record once more is no sign of life")
	_ = v.apply(alive("other", 4), late, time.Second)
	require.Empty(t, v.silent(late))
	_ = v.apply(entry{key: memberPrefix + "slow", value: encode(memberRecord{TTL: time.Minute}), revision: 5}, late, time.Second)
	require.Equal(t, []string{"other"}, v.silent(late.Add(2*time.Second)), "each by its own TTL")
	v.see(gone(memberPrefix+"other", 0))
	v.see(alive("other", 6))
	require.NotContains(t, v.peers, "other", "the dead stay dead")
}

// TestViewPlan: a plan is made again when a member's list changes, and not at each renewal.
func TestViewPlan(t *testing.T) {
	v := testView("a")
	record := func(session string, revision uint64, list string) {
		r := memberRecord{TTL: time.Second, Beat: revision, List: list}
		v.see(entry{key: memberPrefix + session, value: encode(r), revision: revision})
	}
	record("self", 1, v.own.hash)
	record("other", 2, v.own.hash)
	p := v.makePlan()
	require.Equal(t, 1, p.info.Lists)
	record("other", 3, v.own.hash)
	require.Same(t, p, v.makePlan())
	record("other", 4, "another list")
	require.Equal(t, 2, v.makePlan().info.Lists)
}

// TestViewWaiting: a stream that waits for a member is free to it at once, and to others later.
func TestViewWaiting(t *testing.T) {
	waits := func(name string) entry {
		return entry{key: leaseKey("a"), value: encode(leaseRecord{Stream: "a", For: name, Wait: time.Second}), revision: 1}
	}
	v := testView("a")
	v.see(waits("myself"))
	require.True(t, v.free[leaseKey("a")])
	require.True(t, v.mine(leaseKey("a")))

	v = testView("a")
	v.see(waits("other"))
	require.False(t, v.free[leaseKey("a")])
	require.False(t, v.mine(leaseKey("a")))
	v.expire(noon.Add(time.Second))
	require.False(t, v.free[leaseKey("a")], "its time, and not a moment less")
	v.expire(noon.Add(time.Second + 1))
	require.True(t, v.free[leaseKey("a")])

	v = testView("a")
	v.see(waits("other"))
	v.see(gone(leaseKey("a"), 2))
	require.True(t, v.free[leaseKey("a")], "somebody has released it since")
}

// TestPlanNone: a stream that no member can take counts as one that all can.
func TestPlanNone(t *testing.T) {
	v := testView("a")
	for i, id := range []string{"self", "other"} {
		r := memberRecord{TTL: time.Second, List: v.own.hash, Not: []string{leaseKey("a")}}
		v.see(entry{key: memberPrefix + id, value: encode(r), revision: uint64(i + 1)})
	}
	p := v.makePlan()
	require.Equal(t, 1, p.info.Streams)
	require.Empty(t, p.classes)
	require.False(t, v.others(leaseKey("a")))
}
