package fleet

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// member is a member for the time of one session. All of its state belongs to the
// goroutine of run; the others send to its channels.
type member struct {
	*fleet
	*session
	view    *view
	workers map[string]*worker // by the keys of their leases
	claimed uint64             // claims so far
	active  int                // of the workers, those that are not stopped
	orphans map[string]bool    // leases of this member without a worker
	heard   time.Time          // when the watch has brought something
	shared  RebalanceInfo      // as told last
	claims  chan struct{}      // as many as may be under way at a time

	background sync.WaitGroup // all goroutines but workers
	rewatch    chan struct{}  // asks for another watch
	entries    chan entry     // from the bucket; the zero entry: all that was there has come
	fenced     chan fenced
	exits      chan exit
}

// fenced is what came of the deletion of a silent member's record.
type fenced struct {
	id    string
	found entry
	err   error
}

const maxClaims = 16

// serve joins the fleet and takes part in it until ctx is done or the session is lost.
func (f *fleet) serve(ctx context.Context) error {
	s, err := f.join(ctx)
	if err != nil {
		return err
	}
	m := &member{
		fleet: f, session: s,
		view:    newView(s.id, f.streams),
		workers: make(map[string]*worker),
		orphans: make(map[string]bool),
		heard:   time.Now(),
		claims:  make(chan struct{}, maxClaims),
		rewatch: make(chan struct{}, 1),
		entries: make(chan entry),
		fenced:  make(chan fenced),
		exits:   make(chan exit),
	}
	defer m.background.Wait()
	defer func() {
		if s.close(ctx) != nil {
			f.past = s.key()
		}
	}()
	m.background.Go(s.keep)
	m.background.Go(m.watch)
	// What is handled ends with ctx and with the session.
	handling, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })()
	return m.run(handling)
}

// run decides what this member reads. It returns when all of its workers have.
func (m *member) run(ctx context.Context) error {
	defer func() {
		for len(m.workers) > 0 {
			delete(m.workers, (<-m.exits).key)
		}
	}()
	tick := time.NewTicker(m.session.ttl / 20)
	defer tick.Stop()
	ready, done := false, ctx.Done()
	for {
		select {
		case e := <-m.entries:
			ready = m.take(e) || ready
		case x := <-m.exits:
			m.exited(x)
		case x := <-m.fenced:
			m.fencedOff(x)
		case <-tick.C:
			m.fence()
			m.checkWatch()
		case <-done:
			m.background.Go(m.leave)
			done = nil
			for _, w := range m.workers {
				w.stop(nil)
			}
		}
		switch {
		case m.session.ctx.Err() != nil:
			return context.Cause(m.session.ctx)
		case done == nil && len(m.workers) == 0:
			return nil
		case ready && done != nil: // else what is there goes, and nothing new comes
			m.balance(ctx)
		}
	}
}

// take takes in an entry and all that wait behind it, and reports whether the view is whole.
func (m *member) take(e entry) (ready bool) {
	m.heard = time.Now()
	for {
		if e.key == "" {
			ready = true
		}
		m.apply(e)
		select {
		case e = <-m.entries:
		default:
			return ready
		}
	}
}

func (m *member) apply(e entry) {
	m.view.apply(e, time.Now(), m.session.ttl)
	if m.view.dead[m.session.id] {
		m.end(ErrLeaseLost)
	}
	m.checkOrphan(e.key)
}

// checkOrphan notes a lease that this member has and does not use: the answer to its claim
// was lost.
func (m *member) checkOrphan(key string) {
	if m.view.held[m.session.id][key] && m.workers[key] == nil {
		m.orphans[key] = true
	} else {
		delete(m.orphans, key)
	}
}

// balance gives streams away, or takes some, until this member has its share.
func (m *member) balance(ctx context.Context) {
	info, rank, ok := m.view.share()
	if !ok {
		return
	}
	if info != m.shared {
		m.shared = info
		call(m.trace.Rebalanced, info)
	}
	for key := range m.orphans {
		m.start(ctx, key)
	}
	if m.active > info.Share {
		for _, w := range m.workers {
			if !w.stopped && m.active > info.Share {
				w.stopped = true
				w.stop(nil)
				m.active--
			}
		}
	}
	// First those that no other member tries first.
	for _, first := range []bool{true, false} {
		for key := range m.view.free {
			if m.active >= info.Share {
				return
			}
			if m.workers[key] == nil && (spread(key)%info.Members == rank) == first {
				m.start(ctx, key)
			}
		}
	}
}

// spread returns a number that is as good as random for each key.
func spread(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum32() >> 1)
}

// start makes a worker that tries to get a stream, and reads it.
func (m *member) start(ctx context.Context, key string) {
	m.claimed++
	w := newWorker(ctx, m, key, m.view.leases[key], m.claimed)
	m.workers[key] = w
	m.active++
	delete(m.view.free, key)
	delete(m.orphans, key)
	go func() { m.exits <- w.run() }()
}

// exited takes in what a worker has left.
func (m *member) exited(x exit) {
	if !m.workers[x.key].stopped {
		m.active--
	}
	delete(m.workers, x.key)
	if x.lease.key != "" {
		m.apply(x.lease)
	}
	m.view.refresh(x.key)
	m.checkOrphan(x.key)
}

// fence deletes the records of members that were silent for their TTL, after which they
// cannot renew them any more.
func (m *member) fence() {
	for _, id := range m.view.silent(time.Now()) {
		p := m.view.peers[id]
		p.fencing = true
		revision := p.revision
		m.background.Go(func() {
			found, err := m.fleet.kv.fence(m.session.ctx, memberPrefix+id, revision)
			select {
			case m.fenced <- fenced{id, found, err}:
			case <-m.session.ctx.Done():
			}
		})
	}
}

func (m *member) fencedOff(x fenced) {
	if p := m.view.peers[x.id]; p != nil {
		p.fencing = false
		p.seen = time.Now() // if it lives, it has another TTL
	}
	switch {
	case x.found.key != "":
		m.apply(x.found)
	case errors.Is(x.err, jetstream.ErrInvalidKey):
		m.view.bury(x.id) // no member has such a name
	}
}

// watch sends what is in the bucket, and what comes, but for positions.
func (m *member) watch() {
	for m.session.ctx.Err() == nil {
		watcher, err := m.fleet.kv.WatchFiltered(m.session.ctx, []string{memberPrefix + "*", leasePrefix + "*"})
		if err == nil {
			m.forward(watcher)
		}
		_ = sleep(m.session.ctx, pause)
	}
}

// checkWatch asks for another watch where this one has brought nothing for most of a TTL,
// not even this member's own record, which is written three times in each.
func (m *member) checkWatch() {
	if time.Since(m.heard) < m.session.ttl*3/4 {
		return
	}
	m.heard = time.Now()
	select {
	case m.rewatch <- struct{}{}:
	default: // the last one is still to come
	}
}

// forward sends what a watcher sees, until it ends or another one is asked for.
func (m *member) forward(watcher jetstream.KeyWatcher) {
	defer drain(watcher)
	for {
		select {
		case e, ok := <-watcher.Updates():
			if !ok {
				return
			}
			next := entry{} // behind the last of what was there
			if e != nil {
				next = entryOf(e)
			}
			select {
			case m.entries <- next:
			case <-m.session.ctx.Done():
				return
			}
		case <-m.rewatch:
			return
		case <-m.session.ctx.Done():
			return
		}
	}
}
