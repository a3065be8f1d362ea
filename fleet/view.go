package fleet

import (
	"encoding/json"
	"strings"
	"time"
)

// A view is what a member knows of the bucket: who lives, and who has which stream. It may be
// out of date; whatever is done because of it is done by compare-and-set.
type view struct {
	self    string // session
	name    string // the member's
	own     *list
	lists   map[string]map[string]bool // of other members, by their hashes: keys of leases
	peers   map[string]*peer           // by session: those not known to be dead, self among them
	dead    map[string]bool            // sessions
	leases  map[string]lease           // by key: of all streams in the bucket
	held    map[string]map[string]bool
	waiting map[string]waiting
	free    map[string]bool // keys of leases that this member may try to get
	plan    *plan           // nil: to be made again
}

// peer is a session as others see it.
type peer struct {
	revision uint64    // 0: its record has not been seen
	seen     time.Time // when it was written last, by the clock of this process
	ttl      time.Duration
	name     string
	leaving  bool
	fencing  bool // its deletion is under way
	list     string
	parts    int
	not      map[string]bool // keys of leases that it cannot take
}

func (p *peer) sharing() bool { return p.revision != 0 && !p.leaving }

type lease struct {
	revision uint64 // of what was written last at the key, even a deletion
	session  string // "": nobody's
	ended    bool
}

// waiting is a stream that waits for a member.
type waiting struct {
	name  string
	until time.Time // by the clock of this process
}

func newView(self, name string, own *list) *view {
	v := &view{
		self: self, name: name, own: own,
		lists:   make(map[string]map[string]bool),
		peers:   make(map[string]*peer),
		dead:    make(map[string]bool),
		leases:  make(map[string]lease),
		held:    make(map[string]map[string]bool),
		waiting: make(map[string]waiting),
		free:    make(map[string]bool),
	}
	for key := range own.streams {
		v.free[key] = true
	}
	return v
}

// setList replaces the list of this member.
func (v *view) setList(own *list) {
	old := v.own
	v.own, v.plan = own, nil
	for key := range old.streams {
		v.refresh(key)
	}
	for key := range own.streams {
		v.refresh(key)
	}
}

// apply takes in what is at a key. What is older than what is known changes nothing. It
// returns an error for what is no record of a fleet.
func (v *view) apply(e entry, now time.Time, ttl time.Duration) error {
	switch {
	case strings.HasPrefix(e.key, memberPrefix):
		return v.applyMember(strings.TrimPrefix(e.key, memberPrefix), e, now, ttl)
	case strings.HasPrefix(e.key, leasePrefix) && e.key != leasePrefix+probe:
		return v.applyLease(e, now, ttl)
	}
	return nil
}

func (v *view) applyMember(id string, e entry, now time.Time, ttl time.Duration) error {
	if v.dead[id] {
		return nil
	}
	if e.deleted {
		v.bury(id)
		return nil
	}
	p := v.peers[id]
	if p == nil {
		p = new(peer)
		v.peers[id] = p
	}
	if e.revision <= p.revision {
		return nil
	}
	var r memberRecord
	if err := json.Unmarshal(e.value, &r); err != nil {
		// It is deleted like the record of a silent member, and counts as none.
		*p = peer{revision: e.revision, seen: now, ttl: ttl, leaving: true}
		v.plan = nil
		return err
	}
	next := peer{
		revision: e.revision, seen: now, ttl: r.TTL, name: r.Member,
		leaving: r.Leaving, list: r.List, parts: r.Parts,
	}
	if len(r.Not) > 0 {
		next.not = make(map[string]bool, len(r.Not))
		for _, key := range r.Not {
			next.not[key] = true
		}
	}
	if p.sharing() != next.sharing() || p.list != next.list || len(p.not)+len(next.not) > 0 {
		v.plan = nil
	}
	*p = next
	return nil
}

// bury notes that a session is over: what it had is free.
func (v *view) bury(id string) {
	v.dead[id] = true
	delete(v.peers, id)
	held := v.held[id]
	delete(v.held, id)
	for key := range held {
		v.refresh(key)
	}
	v.plan = nil
}

func (v *view) applyLease(e entry, now time.Time, ttl time.Duration) (err error) {
	old := v.leases[e.key]
	if e.revision < old.revision || e.revision == old.revision && !e.deleted {
		return nil
	}
	var record leaseRecord
	if !e.deleted {
		if err = json.Unmarshal(e.value, &record); err != nil {
			record = leaseRecord{} // nobody's: the next lease replaces it
		}
	}
	l := lease{e.revision, record.Session, record.Ended}
	v.leases[e.key] = l
	if l.ended != old.ended {
		v.plan = nil
	}
	if record.For != "" {
		v.waiting[e.key] = waiting{record.For, now.Add(record.Wait)}
	} else {
		delete(v.waiting, e.key)
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
	return err
}

// refresh decides anew whether a stream is free.
func (v *view) refresh(key string) {
	l := v.leases[key]
	w, waits := v.waiting[key]
	if v.own.has(key) && !v.held[l.session][key] && !l.ended && !(waits && w.name != v.name) {
		v.free[key] = true
	} else {
		delete(v.free, key)
	}
}

// expire frees the streams that have waited for a member long enough.
func (v *view) expire(now time.Time) {
	for key, w := range v.waiting {
		if now.After(w.until) {
			delete(v.waiting, key)
			v.refresh(key)
		}
	}
}

// mine reports whether a stream waits for this member.
func (v *view) mine(key string) bool {
	w, ok := v.waiting[key]
	return ok && w.name == v.name
}

// silent returns the sessions that have not been heard of for their TTL.
func (v *view) silent(now time.Time) []string {
	var ids []string
	for id, p := range v.peers {
		if id != v.self && !p.fencing && now.Sub(p.seen) > p.ttl {
			ids = append(ids, id)
		}
	}
	return ids
}
