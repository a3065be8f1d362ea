package fleet

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stillMember returns a member whose workers get no lease, until the test ends.
func stillMember(t *testing.T, v *view) *member {
	f := &fleet{
		list: v.own, workers: make(map[string]*worker), failures: make(map[string]int),
		excluded: make(map[string]time.Time), ended: make(chan struct{}),
	}
	t.Cleanup(func() { close(f.ended) })
	s := &session{id: v.self, kick: make(chan struct{}, 1)}
	return &member{fleet: f, session: s, view: v, orphans: make(map[string]bool), claims: make(chan struct{})}
}

// TestBalanceClasses: a member takes its quota of each class of streams, and no more of one
// for less of another. It numbers its claims.
func TestBalanceClasses(t *testing.T) {
	for round := range 20 {
		var names []string
		for i := range 12 {
			names = append(names, fmt.Sprintf("%d.%d", round, i))
		}
		known := newList(names[2:]) // by the other member
		keys := make(map[string]bool)
		for key := range known.streams {
			keys[key] = true
		}
		v := newView("self", "", newList(names))
		v.lists[known.hash] = keys
		for i, r := range []memberRecord{{TTL: time.Second, List: v.own.hash}, {TTL: time.Second, List: known.hash}} {
			v.see(entry{key: memberPrefix + []string{"self", "other"}[i], value: encode(r), revision: uint64(i + 1)})
		}
		m := stillMember(t, v)
		handling, cancel := context.WithCancel(t.Context())
		m.balance(handling)
		cancel()
		shared, claims := 0, []uint64(nil)
		for key, w := range m.workers {
			if keys[key] {
				shared++
			}
			claims = append(claims, w.claim)
		}
		require.Len(t, m.workers, 6, "half of all")
		require.Equal(t, 4, shared, "two are known to this member only")
		require.Equal(t, 6, m.active)
		slices.Sort(claims)
		require.Equal(t, []uint64{1, 2, 3, 4, 5, 6}, claims)
	}
}

// TestExcludesEnd: a stream that was given back can be taken again when its time is over.
func TestExcludesEnd(t *testing.T) {
	m := stillMember(t, testView("early", "late"))
	m.excluded["early"], m.excluded["late"] = time.Now().Add(-time.Second), time.Now().Add(time.Minute)
	m.checkExcludes()
	require.Equal(t, []string{"late"}, m.excludes())
}
