package fleet

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A view is what a member knows of the bucket: who lives, and who has which stream. It
// may be behind; whatever is done because of it is done by compare-and-set.
type view struct {
	self    string            // session
	streams map[string]string // by the keys of their leases
	peers   map[string]*peer  // by session: those not known to be dead, self among them
	dead    map[string]bool   // sessions
	leases  map[string]lease  // by key
	held    map[string]map[string]bool
	free    map[string]bool // keys of leases that this member may try to get
	ended   int             // of streams
}

// peer is a session as others see it.
type peer struct {
	revision uint64    // 0: its record has not been seen
	seen     time.Time // when it was written last, by the clock of this process
	ttl      time.Duration
	leaving  bool
	fencing  bool // its deletion is under way
}

type lease struct {
	revision uint64 // of what was written last at the key, a deletion too
	session  string // "": nobody's
	ended    bool
}

func newView(self string, streams map[string]string) *view {
	v := &view{
		self:    self,
		streams: streams,
		peers:   make(map[string]*peer),
		dead:    make(map[string]bool),
		leases:  make(map[string]lease),
		held:    make(map[string]map[string]bool),
		free:    make(map[string]bool),
	}
	for key := range streams {
		v.free[key] = true
	}
	return v
}

// apply takes in what is at a key. What is older than what is known changes nothing.
func (v *view) apply(e entry, now time.Time, ttl time.Duration) {
	switch {
	case strings.HasPrefix(e.key, memberPrefix):
		v.applyMember(strings.TrimPrefix(e.key, memberPrefix), e, now)
	case strings.HasPrefix(e.key, leasePrefix):
		v.applyLease(e, now, ttl)
	}
}

func (v *view) applyMember(id string, e entry, now time.Time) {
	if v.dead[id] {
		return
	}
	if e.deleted {
		v.bury(id)
		return
	}
	p := v.peers[id]
	if p == nil {
		p = new(peer)
		v.peers[id] = p
	}
	var record memberRecord
	if e.revision <= p.revision || json.Unmarshal(e.value, &record) != nil {
		return
	}
	*p = peer{revision: e.revision, seen: now, ttl: record.TTL, leaving: record.Leaving}
}

// bury notes that a session is over: what it had is free.
func (v *view) bury(id string) {
	v.dead[id] = true
	delete(v.peers, id)
	for key := range v.held[id] {
		v.free[key] = true
	}
	delete(v.held, id)
}

func (v *view) applyLease(e entry, now time.Time, ttl time.Duration) {
	if _, ok := v.streams[e.key]; !ok {
		return
	}
	old := v.leases[e.key]
	if e.revision < old.revision || e.revision == old.revision && !e.deleted {
		return
	}
	var record leaseRecord
	if !e.deleted && json.Unmarshal(e.value, &record) != nil {
		return
	}
	l := lease{e.revision, record.Session, record.Ended}
	v.leases[e.key] = l
	switch {
	case l.ended && !old.ended:
		v.ended++
	case old.ended && !l.ended:
		v.ended--
	}
	delete(v.held[old.session], e.key)
	if l.session != "" && !v.dead[l.session] {
		if v.held[l.session] == nil {
			v.held[l.session] = make(map[string]bool)
		}
		v.held[l.session][e.key] = true
		if v.peers[l.session] == nil {
			// Its record is still to come, or it was deleted before this member looked.
			v.peers[l.session] = &peer{seen: now, ttl: ttl}
		}
	}
	v.refresh(e.key)
}

// refresh decides anew whether a stream is free.
func (v *view) refresh(key string) {
	l := v.leases[key]
	if _, held := v.held[l.session][key]; !held && !l.ended {
		v.free[key] = true
	} else {
		delete(v.free, key)
	}
}

// share returns how many streams are to be this member's, and its rank among the members;
// not ok before its own record has been seen.
func (v *view) share() (info RebalanceInfo, rank int, ok bool) {
	var members []string
	for id, p := range v.peers {
		if p.revision != 0 && !p.leaving {
			members = append(members, id)
		}
	}
	slices.Sort(members)
	info = RebalanceInfo{Members: len(members), Streams: len(v.streams) - v.ended}
	rank, ok = slices.BinarySearch(members, v.self)
	if ok {
		info.Share = info.Streams / len(members)
		if rank < info.Streams%len(members) {
			info.Share++
		}
	}
	return info, rank, ok
}

// silent returns the sessions that nobody has heard of for their TTL.
func (v *view) silent(now time.Time) []string {
	var ids []string
	for id, p := range v.peers {
		if id != v.self && !p.fencing && now.Sub(p.seen) > p.ttl {
			ids = append(ids, id)
		}
	}
	return ids
}
