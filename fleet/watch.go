package fleet

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// watch sends what is in the bucket, and what comes, except for positions and lists.
func (m *member) watch() {
	waits := newWait(pause, maxPause)
	patience := max(2*time.Second, m.session.ttl)
	for m.session.ctx.Err() == nil {
		whole, err := m.watchOnce(patience)
		if whole {
			waits.Reset()
			patience = max(2*time.Second, m.session.ttl)
		} else {
			patience = min(2*patience, 30*time.Second)
		}
		if m.session.ctx.Err() != nil {
			return
		}
		if _, gone := m.kv.status(m.session.ctx); fatal(gone) {
			m.end(lost(gone))
			return
		}
		delay := waits.NextBackOff()
		if permanent(err) {
			delay = max(delay, badPause)
		}
		if err != nil {
			m.kv.report(op{name: "watch"}, err, delay)
		}
		_ = sleep(m.session.ctx, delay)
	}
}

// watchOnce watches for as long as it can, and reports whether the watch brought all that
// was there. It must begin within patience.
func (m *member) watchOnce(patience time.Duration) (whole bool, err error) {
	select {
	case <-m.rewatch: // what asked for it asked for this
	default:
	}
	ctx, cancel := context.WithCancel(m.session.ctx)
	defer cancel()
	late := time.AfterFunc(patience, cancel)
	defer late.Stop()
	watcher, err := m.kv.WatchFiltered(ctx, []string{memberPrefix + "*", leasePrefix + "*"})
	if err != nil {
		if cause := m.kv.denied("CONSUMER.CREATE"); cause != nil {
			err = cause
		}
		return false, err
	}
	defer drain(watcher)
	for {
		var e jetstream.KeyValueEntry
		var ok bool
		select {
		case e, ok = <-watcher.Updates():
			if !ok {
				return whole, errWatchEnded
			}
		case <-m.rewatch:
			return whole, nil
		case <-ctx.Done():
			return whole, errWatchEnded
		}
		next := entry{} // after the last of what was there
		if e != nil {
			next = entryOf(e)
			if !whole {
				late.Reset(patience)
			}
		} else {
			whole = true
			late.Stop()
		}
		select {
		case m.entries <- next:
		case <-m.session.ctx.Done():
			return whole, nil
		}
	}
}

// checkWatch asks for another watch if this one has not brought this member's own record,
// which NATS has acknowledged.
func (m *member) checkWatch() {
	seen := uint64(0)
	if p := m.view.peers[m.session.id]; p != nil {
		seen = p.revision
	}
	switch {
	case seen >= m.acknowledged():
		m.behind = time.Time{}
	case seen != m.seen || m.behind.IsZero():
		m.behind = time.Now()
	}
	m.seen = seen
	if m.behind.IsZero() || time.Since(m.behind) < m.session.ttl/2 || time.Since(m.rewatching) < max(2*time.Second, m.session.ttl) {
		return
	}
	m.rewatching = time.Now()
	select {
	case m.rewatch <- struct{}{}:
	default:
	}
}
