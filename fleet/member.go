package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// member is a member for the time of one session. All of its state belongs to the
// goroutine of session; the others send to its channels.
type member struct {
	*fleet
	*session
	view    *view
	workers map[string]*worker // by the keys of their leases
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
			if m.view.behind(time.Now()) {
				select {
				case m.rewatch <- struct{}{}:
				default:
				}
			}
		case <-done:
			m.background.Go(m.leave)
			done, ready = nil, false // what is there goes, and nothing new comes
			for _, w := range m.workers {
				w.stop(nil)
			}
		}
		switch {
		case m.session.ctx.Err() != nil:
			return context.Cause(m.session.ctx)
		case done == nil && len(m.workers) == 0:
			return nil
		case ready:
			m.balance(ctx)
		}
	}
}

// take takes in an entry and all that wait behind it, and reports whether the view is whole.
func (m *member) take(e entry) (ready bool) {
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
}

// balance gives streams away, or takes some, until this member has its share.
func (m *member) balance(ctx context.Context) {
	info, ok := m.view.share()
	if !ok {
		return
	}
	if info != m.shared {
		m.shared = info
		call(m.trace.Rebalanced, info)
	}
	has := 0
	for _, w := range m.workers {
		if !w.stopped {
			has++
		}
	}
	for key := range m.view.held[m.session.id] {
		if m.workers[key] == nil { // a claim whose answer was lost
			m.start(ctx, key)
			has++
		}
	}
	for _, w := range m.workers {
		if has <= info.Share {
			break
		}
		if !w.stopped {
			w.stopped = true
			w.stop(nil)
			has--
		}
	}
	for key := range m.view.free {
		if has >= info.Share {
			break
		}
		if m.workers[key] == nil {
			m.start(ctx, key)
			has++
		}
	}
}

// start makes a worker that tries to get a stream, and reads it.
func (m *member) start(ctx context.Context, key string) {
	w := newWorker(ctx, m, key, m.view.leases[key])
	m.workers[key] = w
	delete(m.view.free, key)
	go func() { m.exits <- w.run() }()
}

// exited takes in what a worker has left.
func (m *member) exited(x exit) {
	delete(m.workers, x.key)
	if x.lease.key != "" {
		m.apply(x.lease)
	}
	m.view.refresh(x.key)
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
	if x.found.key != "" {
		m.apply(x.found)
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

// forward sends what a watcher sees, until it ends or another one is asked for.
func (m *member) forward(watcher jetstream.KeyWatcher) {
	defer func() {
		_ = watcher.Stop() // it may have been stopped by the context
		for range watcher.Updates() {
		}
	}()
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
