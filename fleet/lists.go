package fleet

import (
	"fmt"
	"maps"
)

// fetched is a list of another member.
type fetched struct {
	hash string
	keys map[string]bool
}

// publish writes this member's list to the bucket, and deletes old ones.
func (m *member) publish() {
	list, used := m.list, map[string]bool{m.list.hash: true}
	for _, p := range m.view.peers {
		used[p.list] = true
	}
	m.background.Go(func() {
		err := m.kv.publish(m.session.ctx, list)
		if err == nil {
			err = m.kv.sweep(m.session.ctx, used)
		}
		if err != nil && m.session.ctx.Err() == nil {
			m.kv.report(op{name: "list"}, err, 0)
		}
	})
}

// setList takes the list that the program has sent last.
func (m *member) setList() {
	m.list = newList(*m.latest.Load())
	m.view.setList(m.list)
	for key, w := range m.workers {
		if w.member == m && !m.list.has(key) {
			m.stopWorker(w, nil)
		}
	}
	if !m.begun() {
		return // it is not a member yet
	}
	m.change(func(r *memberRecord) {
		r.List, r.Listed, r.Parts = m.list.hash, len(m.list.streams), m.list.parts
	})
	m.publish()
}

// fetchLists gets the lists of other members that are not known yet.
func (m *member) fetchLists() {
	for _, p := range m.view.peers {
		hash, parts := p.list, p.parts
		if !p.sharing() || hash == "" || hash == m.list.hash || m.view.lists[hash] != nil || m.fetching[hash] {
			continue
		}
		m.fetching[hash] = true
		m.background.Go(func() {
			waits := newWait(pause, maxPause)
			keys, err := m.kv.fetch(m.session.ctx, hash, parts)
			for tries := 0; err != nil && tries < 8; tries++ {
				delay := waits.NextBackOff()
				if tries > 2 { // it may just be on its way
					m.kv.report(op{name: "list"}, err, delay)
				}
				if sleep(m.session.ctx, delay) != nil {
					return
				}
				keys, err = m.kv.fetch(m.session.ctx, hash, parts)
			}
			select {
			case m.fetched <- fetched{hash, keys}:
			case <-m.session.ctx.Done():
			}
		})
	}
}

func (m *member) takeList(x fetched) {
	delete(m.fetching, x.hash)
	if x.keys == nil {
		return // it is tried again
	}
	used := make(map[string]bool)
	name := ""
	for _, p := range m.view.peers {
		used[p.list] = true
		if p.list == x.hash {
			name = p.name
		}
	}
	maps.DeleteFunc(m.view.lists, func(hash string, _ map[string]bool) bool { return !used[hash] })
	m.view.lists[x.hash], m.view.plan = x.keys, nil
	more, missing := 0, 0
	for key := range x.keys {
		if !m.list.has(key) {
			more++
		}
	}
	for key := range m.list.streams {
		if !x.keys[key] {
			missing++
		}
	}
	if more+missing > 0 {
		m.kv.report(op{name: "list"}, fmt.Errorf(
			"fleet: the list of member %q has %d streams that the list of this member has not, and lacks %d", name, more, missing), 0)
	}
}
