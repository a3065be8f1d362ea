package fleet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

// A position is where a stream resumes, as this member knows it: what is in the bucket, and
// what was handled since.
type position struct {
	w   *worker
	key string

	mu       sync.Mutex
	record   positionRecord // in the bucket
	revision uint64
	resumed  bool        // id is where the stream resumes
	base     string      // where it resumed, or what was committed since
	id       string      // handled
	events   int         // handled since the last commit, also those that left the ID as it was
	since    time.Time   // when the first of them was
	event    time.Time   // when the last of them was
	timer    *time.Timer // for the next commit; nil until it is needed
	armed    bool        // it runs
	closed   bool
	err      error // ErrLeaseLost, once a commit has failed
}

// A junkError reports a record that is no position. Only a person knows where the stream
// should resume.
type junkError struct {
	key string
	err error
}

func (e *junkError) Error() string { return fmt.Sprintf("fleet: %s is no position: %v", e.key, e.err) }

func (e *junkError) Unwrap() error { return e.err }

// openPosition reads the position, and writes it again under the lease with the given
// token: what a member still tries to commit under an earlier one fails from then on. The
// token of a position that was copied from another bucket says nothing about the leases of
// this one, but the next tokens are to be larger.
func (w *worker) openPosition(token uint64) (*position, error) {
	p := &position{w: w, key: positionKey(w.stream)}
	wait := newWait(pause/4, maxPause)
	old, err := w.kv.get(w.ctx, p.key)
	for range maxLookups {
		if err != nil {
			return nil, err
		}
		p.record = positionRecord{}
		if !old.deleted {
			if err := json.Unmarshal(old.value, &p.record); err != nil {
				return nil, &junkError{p.key, err}
			}
		}
		if p.record.Bucket != w.session.epoch {
			p.record.Bucket, p.record.Lift = w.session.epoch, 0
			if p.record.Fence >= token {
				p.record.Lift = p.record.Fence - token + 1
			}
		} else if p.record.Fence > token+p.record.Lift {
			return nil, fmt.Errorf("fleet: %s was written under a later lease: %w", p.key, errTaken)
		}
		p.record.Stream, p.record.Fence, p.record.Down = w.stream, token+p.record.Lift, false
		old, err = w.kv.put(w.ctx, op{"position", w.stream, true}, p.key, encode(p.record), old.revision)
		if err == nil {
			p.revision, p.event = old.revision, p.record.Event
			return p, nil
		}
		if err != errTaken && err != errGone {
			return nil, err
		}
		// The member before has committed meanwhile, or the replica that answered is behind. What
		// is there now came with the refusal.
		err = sleep(w.ctx, wait.NextBackOff())
	}
	return nil, fmt.Errorf("fleet: %s: %w", p.key, errTaken)
}

// resume makes req resume after what was handled, or else where the bucket says, or else
// where the request itself does.
func (p *position) resume(req *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.resumed {
		p.resumed = true
		p.id = req.Header.Get("Last-Event-ID")
		if p.record.Committed {
			p.id = p.record.LastEventID
		}
		p.base = p.id
	}
	req.Header.Set("Last-Event-ID", p.id)
}

func (p *position) lastEventID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

// handled notes that the event after which the ID is id was handled, and commits it if that
// is due. It fails if the lease is lost.
func (p *position) handled(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !sse.Resumable(id) {
		id = p.id // early rather than not at all
	}
	p.event = time.Now()
	if p.events == 0 {
		p.since = p.event
	}
	p.events++
	p.id = id
	if !p.moved() {
		return p.err // there is nothing to write yet, but the events count
	}
	policy := p.w.cfg.Commit
	left := policy.Interval - time.Since(p.since)
	switch {
	case policy.Events > 0 && p.events >= policy.Events, policy.Interval > 0 && left <= 0:
		p.commit(false)
	case policy.Interval > 0 && !p.armed:
		p.armed = true
		if p.timer == nil {
			p.timer = time.AfterFunc(left, p.due)
		} else {
			p.timer.Reset(left)
		}
	}
	return p.err
}

// moved reports whether the position is another one than that in the bucket.
func (p *position) moved() bool { return p.id != p.base }

// due commits when the time has come, even if there is no further event.
func (p *position) due() { p.write(false) }

// flush writes the position even if it has not moved, since its record also describes the
// connection.
func (p *position) flush() { p.write(true) }

func (p *position) write(always bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if p.commit(always); p.err != nil {
		p.w.stop(p.err)
	}
}

// commit writes what was handled, and waits for NATS as long as the leases are valid.
func (p *position) commit(always bool) {
	if !p.moved() && !always || p.err != nil {
		return
	}
	next := p.record
	next.health = p.w.conn.current(p.event, next.health)
	moved := p.moved()
	if moved {
		next.Committed, next.LastEventID, next.Lag = true, p.id, time.Since(p.since)
	}
	if !p.w.valid() {
		p.err = p.w.why()
		return
	}
	now, err := p.w.kv.put(p.w.session.ctx, op{name: "commit", stream: p.w.stream}, p.key, encode(next), p.revision)
	if err != nil {
		p.err = lost(err)
		return
	}
	p.record, p.revision = next, now.revision
	if moved {
		p.disarm()
		p.base, p.events = p.id, 0
		call(p.w.trace.Committed, StreamInfo{Stream: p.w.stream, LastEventID: p.id})
	}
}

func (p *position) disarm() {
	if p.timer != nil {
		p.timer.Stop()
	}
	p.armed = false
}

// close commits what is left. From then on nothing is.
func (p *position) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commit(false)
	p.disarm()
	p.closed = true
	if p.err == nil && !p.w.valid() {
		p.err = p.w.why()
	}
	return p.err
}
