package fleet

import (
	"context"
	"maps"
	"slices"
	"time"
)

// balance gives streams away, or takes some, until this member has its share.
func (m *member) balance(handling context.Context) {
	p := m.view.makePlan()
	if !p.ok {
		return
	}
	if p.info != m.shared {
		m.shared = p.info
		call(m.trace.Rebalanced, p.info)
	}
	for key := range m.orphans {
		m.start(handling, key)
	}
	if m.active == p.info.Share && len(p.classes) == 0 {
		return
	}
	have := map[string]int{"": m.active}
	if len(p.classes) > 0 {
		clear(have)
		for key, w := range m.workers {
			if w.member == m && !w.stopped {
				have[p.classes[key]]++
			}
		}
	}
	for key, w := range m.workers {
		class := p.classes[key]
		if w.member == m && !w.stopped && (have[class] > p.quota[class] || !m.list.has(key)) {
			have[class]--
			m.stopWorker(w, nil)
		}
	}
	// First those that wait for this member, then those that no other member tries first.
	for _, pick := range []func(key string) bool{
		m.view.mine,
		func(key string) bool { return spread(key)%p.info.Members == p.rank },
		func(string) bool { return true },
	} {
		for key := range m.view.free {
			class := p.classes[key]
			if m.workers[key] == nil && have[class] < p.quota[class] && pick(key) {
				have[class]++
				m.start(handling, key)
			}
			if m.active >= p.info.Share {
				return
			}
		}
	}
}

func (m *member) stopWorker(w *worker, cause error) {
	if !w.stopped {
		w.stopped = true
		m.active--
	}
	w.stop(cause)
}

// start makes a worker that tries to get a stream, and reads it.
func (m *member) start(handling context.Context, key string) {
	if m.workers[key] != nil {
		return
	}
	m.claimed++
	w := newWorker(handling, m, key, m.view.leases[key], m.claimed)
	m.workers[key] = w
	m.active++
	delete(m.view.free, key)
	delete(m.orphans, key)
	go w.work()
}

// giveBack leaves a stream that this member cannot reach to one that may.
func (m *member) giveBack(w *worker) {
	if w.member != m || w.stopped || len(m.excluded) >= maxNot || !m.view.others(w.key) {
		return
	}
	m.excluded[w.key] = time.Now().Add(notTime)
	m.change(func(r *memberRecord) { r.Not = m.excludes() })
	m.stopWorker(w, ErrUnreachable)
}

// excludes returns the keys of the streams that this member cannot take: those that it
// has given back, and those whose handler has not returned since before the session.
func (m *member) excludes() []string {
	keys := slices.Collect(maps.Keys(m.excluded))
	for key, w := range m.workers {
		if w.member != m && len(keys) < maxNot {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// checkExcludes has the record say what excludes returns now.
func (m *member) checkExcludes() {
	now := time.Now()
	for key, until := range m.excluded {
		if now.After(until) {
			delete(m.excluded, key)
		}
	}
	if self := m.view.peers[m.session.id]; self != nil && self.revision != 0 {
		keys := m.excludes()
		if len(keys) != len(self.not) || slices.ContainsFunc(keys, func(key string) bool { return !self.not[key] }) {
			m.change(func(r *memberRecord) { r.Not = keys })
		}
	}
}
