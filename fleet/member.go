package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// member is a member for the time of one session. All of its state belongs to the
// goroutine that calls serve; the others send to its channels.
type member struct {
	*fleet
	*session
	view    *view
	claimed uint64          // claims so far
	active  int             // of this session's workers, those that are not stopped
	orphans map[string]bool // leases of this member without a worker
	shared  RebalanceInfo   // as reported last
	whole   bool            // the view has all that was in the bucket
	claims  chan struct{}   // as many as may be under way at a time

	fetching    map[string]bool // lists of other members
	background  sync.WaitGroup  // all goroutines but workers
	rewatch     chan struct{}   // asks for another watch
	rewatching  time.Time       // when that was
	seen        uint64          // revision of this member's record that the watch has brought,
	behind      time.Time       // and since when that is not the last one
	entries     chan entry      // from the bucket; the zero entry: all that was there has come
	fenced      chan fenced
	fetched     chan fetched
	unreachable chan *worker
}

// fenced is what came of the deletion of a silent member's record.
type fenced struct {
	id    string
	found entry
	err   error
}

const (
	maxClaims  = 256 // enough for a NATS that answers after half a second
	maxNot     = 500 // streams that a member's record may exclude
	notTime    = 10 * time.Minute
	finishTime = 2 * time.Second // for handlers to return whose context has ended
)

// serve joins the fleet and takes part in it until ctx is done or the session is lost.
func (f *fleet) serve(ctx context.Context) error {
	s := f.newSession(ctx)
	m := &member{
		fleet: f, session: s,
		view:        newView(s.id, f.cfg.Member, f.list),
		orphans:     make(map[string]bool),
		claims:      make(chan struct{}, maxClaims),
		fetching:    make(map[string]bool),
		rewatch:     make(chan struct{}, 1),
		entries:     make(chan entry),
		fenced:      make(chan fenced),
		fetched:     make(chan fetched),
		unreachable: make(chan *worker),
	}
	defer m.background.Wait()
	defer func() {
		if s.begun() && s.close(ctx) != nil {
			f.past = s.key()
		}
		s.end(lost(nil))
	}()
	m.background.Go(m.watch)
	if err := m.join(ctx); err != nil {
		return err
	}
	m.background.Go(s.keep)
	m.publish()
	// What is handled continues for a while after ctx is done, and ends with the session.
	handling, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(lost(nil))
	defer context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })()
	return m.run(ctx, handling, cancel)
}

// join makes this session a member, once its view is whole and it is certain that it may
// write all that a member writes: until then the others share its streams.
func (m *member) join(ctx context.Context) error {
	waits := newWait(pause, maxPause)
	for !m.whole {
		select {
		case e := <-m.entries:
			m.take(e)
		case x := <-m.exits:
			m.exited(x)
		case <-m.changed:
			m.setList()
		case <-m.session.ctx.Done():
			return context.Cause(m.session.ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for {
		err := m.tryJoin(ctx)
		if err == nil || fatal(err) || ctx.Err() != nil || m.session.ctx.Err() != nil {
			return err
		}
		delay := waits.NextBackOff()
		if permanent(err) {
			delay = max(delay, badPause)
		}
		m.kv.report(op{name: "join"}, err, delay)
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

func (m *member) tryJoin(ctx context.Context) error {
	if m.past != "" { // others would count two members, for a TTL
		if _, err := m.kv.del(ctx, op{name: "leave", once: true}, m.past, anyRevision); err != nil {
			return err
		}
		m.past = ""
	}
	for key, value := range map[string]any{leasePrefix + probe: leaseRecord{}, positionPrefix + probe: positionRecord{}} {
		if err := m.kv.probe(ctx, key, encode(value)); err != nil {
			return err
		}
	}
	m.session.record = memberRecord{
		Beat: m.session.record.Beat, Member: m.cfg.Member, TTL: m.session.ttl, Not: m.excludes(),
		List: m.list.hash, Listed: len(m.list.streams), Parts: m.list.parts,
	}
	return m.begin(ctx)
}

// run decides what this member reads. It returns when all of its workers have, or when those
// that are left have had their time.
func (m *member) run(ctx, handling context.Context, cancel context.CancelCauseFunc) error {
	tick := time.NewTicker(m.session.ttl / 20)
	defer tick.Stop()
	done, drained, finished := ctx.Done(), (<-chan time.Time)(nil), (<-chan time.Time)(nil)
	for {
		if done != nil {
			m.balance(handling)
		}
		select {
		case e := <-m.entries:
			m.take(e)
		case x := <-m.exits:
			m.exited(x)
		case x := <-m.fenced:
			m.fencedOff(x)
		case x := <-m.fetched:
			m.takeList(x)
		case w := <-m.unreachable:
			m.giveBack(w)
		case <-m.changed:
			m.setList()
		case <-tick.C:
			m.view.expire(time.Now())
			m.fence()
			m.checkWatch()
			m.fetchLists()
			m.checkExcludes()
		case <-done:
			done = nil
			m.draining.Store(true)
			m.change(func(r *memberRecord) { r.Leaving = true })
			for _, w := range m.workers {
				w.stop(nil)
			}
			drained = time.After(m.cfg.Drain)
		case <-drained:
			cancel(context.Cause(ctx))
			finished = time.After(finishTime)
		case <-finished:
			return nil // NATS is away, or a handler ignores its context
		case <-m.session.ctx.Done():
			return context.Cause(m.session.ctx)
		}
		if done == nil && len(m.workers) == 0 {
			return nil
		}
	}
}

// take takes in an entry and all that wait after it.
func (m *member) take(e entry) {
	for {
		if e.key == "" {
			m.whole, m.rewatching = true, time.Time{}
		} else {
			m.apply(e)
		}
		select {
		case e = <-m.entries:
		default:
			return
		}
	}
}

func (m *member) apply(e entry) {
	if err := m.view.apply(e, time.Now(), m.session.ttl); err != nil {
		m.kv.report(op{"watch", m.list.streams[e.key], false}, fmt.Errorf("fleet: %s is no record of a fleet, and is replaced: %w", e.key, err), 0)
	}
	if m.view.dead[m.session.id] {
		m.end(lost(errors.New("fleet: another member has deleted this member's record")))
	}
	m.checkOrphan(e.key)
	// Another one has written to a lease of this member: a person, say, who has set the position.
	if w := m.workers[e.key]; w != nil && w.member == m {
		if l := m.view.leases[e.key]; l.session != m.session.id && l.revision > w.held.Load() && w.held.Load() != 0 {
			w.stop(lost(errors.New("fleet: the lease was taken away")))
		}
	}
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

// exited takes in what a worker has left.
func (m *member) exited(x exit) {
	w := x.worker
	delete(m.workers, w.key)
	if x.failed {
		m.failures[w.key]++
	} else {
		delete(m.failures, w.key)
	}
	if w.member == m {
		if !w.stopped {
			m.active--
		}
		if x.lease.key != "" {
			m.apply(x.lease)
		}
	} else {
		m.checkExcludes() // it was running since before this session
	}
	m.view.refresh(w.key)
	m.checkOrphan(w.key)
}

// fence deletes the records of members that were silent for their TTL, after which they
// cannot renew them any more.
func (m *member) fence() {
	for _, id := range m.view.silent(time.Now()) {
		p := m.view.peers[id]
		p.fencing = true
		revision := p.revision
		m.background.Go(func() {
			found, err := m.kv.fence(m.session.ctx, memberPrefix+id, revision)
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
