package fleet

import (
	"cmp"
	"hash/fnv"
	"math/bits"
	"slices"
	"sort"
)

// A plan is how streams are shared, as all members compute it from the same records. Streams
// that the same members may take are a class. Each class is spread over its members so that
// their sums are as even as they can be, and each stream is in some member's quota.
type plan struct {
	info    RebalanceInfo
	rank    int               // of this member
	ok      bool              // it is among the members
	quota   map[string]int    // of this member, by class
	classes map[string]string // by key; all others are in the class "", which all members may take
}

// makePlan returns the plan for what the view shows.
func (v *view) makePlan() *plan {
	if v.plan != nil {
		return v.plan
	}
	var ids []string
	for id, p := range v.peers {
		if p.sharing() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	p := &plan{quota: make(map[string]int), classes: make(map[string]string)}
	v.plan = p
	p.rank, p.ok = slices.BinarySearch(ids, v.self)
	p.info.Members = len(ids)
	if !p.ok {
		return p
	}

	// A list that is not known yet counts as this member's own.
	sets := make([]map[string]bool, len(ids))
	hashes, differ := make(map[string]bool), false
	for i, id := range ids {
		peer := v.peers[id]
		hashes[peer.list] = true
		if peer.list != v.own.hash && v.lists[peer.list] != nil {
			sets[i], differ = v.lists[peer.list], true
		}
	}
	p.info.Lists = len(hashes)
	all := newMemberSet(len(ids))
	for i := range ids {
		all.add(i)
	}
	counts := make(map[string]int)
	classify := func(key string) {
		listed, able := newMemberSet(len(ids)), newMemberSet(len(ids))
		for i, id := range ids {
			if sets[i] != nil && sets[i][key] || sets[i] == nil && v.own.has(key) {
				listed.add(i)
				if !v.peers[id].not[key] {
					able.add(i)
				}
			}
		}
		if able.empty() {
			able = listed // none can: then each may as well try
		}
		if !able.empty() && able.String() != all.String() {
			p.classes[key] = able.String()
		}
	}
	p.info.Streams = v.count(ids, sets, differ, classify)
	for _, class := range p.classes {
		counts[class]++
	}
	counts[""] = p.info.Streams - len(p.classes)

	classes := make([]string, 0, len(counts))
	for class := range counts {
		classes = append(classes, class)
	}
	slices.SortFunc(classes, func(a, b string) int {
		x, y := size(a, len(ids)), size(b, len(ids))
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
	})
	sums := make([]int, len(ids))
	for _, class := range classes {
		set := memberSet(class)
		if class == "" {
			set = all
		}
		before := sums[p.rank]
		level(sums, set, counts[class])
		p.quota[class] = sums[p.rank] - before
	}
	p.info.Share = sums[p.rank]
	return p
}

// count returns how many streams are to be shared, and calls classify for those that may
// not be for all members.
func (v *view) count(ids []string, sets []map[string]bool, differ bool, classify func(key string)) (n int) {
	if !differ {
		n = len(v.own.streams)
		for key, l := range v.leases {
			if l.ended && v.own.has(key) {
				n--
			}
		}
		for _, id := range ids {
			for key := range v.peers[id].not {
				if v.own.has(key) && !v.leases[key].ended {
					classify(key)
				}
			}
		}
		return n
	}
	seen := make(map[string]bool, len(v.own.streams))
	take := func(key string) {
		if !seen[key] && !v.leases[key].ended {
			n++
			classify(key)
		}
		seen[key] = true
	}
	for key := range v.own.streams {
		take(key)
	}
	for _, set := range sets {
		for key := range set {
			take(key)
		}
	}
	return n
}

// others reports whether another member may take a stream.
func (v *view) others(key string) bool {
	for id, p := range v.peers {
		if id == v.self || !p.sharing() || p.not[key] {
			continue
		}
		if set := v.lists[p.list]; set == nil || p.list == v.own.hash || set[key] {
			return true
		}
	}
	return false
}

// level adds n to the sums of a set of members, so that they are as even as they can be.
func level(sums []int, set memberSet, n int) {
	missing := func(height int) (sum int) {
		for i, s := range sums {
			if set.has(i) {
				sum += max(0, height-s)
			}
		}
		return sum
	}
	highest := n
	for _, s := range sums {
		highest = max(highest, s+n)
	}
	height := sort.Search(highest, func(h int) bool { return missing(h+1) > n })
	n -= missing(height)
	for i, s := range sums {
		if !set.has(i) || s > height {
			continue
		}
		sums[i] = height
		if n > 0 {
			sums[i]++
			n--
		}
	}
}

// A memberSet is a set of members by their rank: a bit for each.
type memberSet []byte

func newMemberSet(members int) memberSet { return make(memberSet, (members+7)/8) }

func (s memberSet) add(i int)      { s[i/8] |= 1 << (i % 8) }
func (s memberSet) has(i int) bool { return s[i/8]&(1<<(i%8)) != 0 }
func (s memberSet) String() string { return string(s) }

func (s memberSet) empty() bool { return size(string(s), 0) == 0 && len(s) > 0 }

// size returns how many members are in a class.
func size(class string, all int) (n int) {
	if class == "" {
		return all
	}
	for _, b := range []byte(class) {
		n += bits.OnesCount8(b)
	}
	return n
}

// spread returns a number that is as good as random for each key.
func spread(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum32() >> 1)
}
