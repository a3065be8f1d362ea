package fleet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A position is where a stream goes on, as this member holds it: what is in the bucket,
// and what was handled since.
type position struct {
	w   *worker
	key string

	mu       sync.Mutex
	record   positionRecord // in the bucket
	revision uint64
	resumed  bool        // id is where the stream goes on
	id       string      // handled
	events   int         // handled and not committed
	since    time.Time   // when the first of them was
	timer    *time.Timer // for the next commit
	err      error       // ErrLeaseLost, once a commit has failed
}

// openPosition reads the position, and writes it again under the lease: what a member
// still tries to commit under an earlier one fails from then on.
func (w *worker) openPosition(fence uint64) (*position, error) {
	p := &position{w: w, key: positionKey(w.stream)}
	for {
		old, err := w.fleet.kv.get(w.ctx, p.key)
		if err == nil {
			p.record = positionRecord{Stream: w.stream}
			if !old.deleted {
				if err := json.Unmarshal(old.value, &p.record); err != nil {
					return nil, fmt.Errorf("fleet: %s is no position: %w", p.key, err)
				}
			}
			if p.record.Fence > fence {
				return nil, errTaken
			}
			p.record.Fence = fence
			old, err = w.fleet.kv.put(w.ctx, p.key, encode(p.record), old.revision)
		}
		if err == nil {
			p.revision = old.revision
			p.timer = time.AfterFunc(time.Hour, p.due)
			p.timer.Stop()
			return p, nil
		}
		if fatal(err) {
			return nil, err
		}
		// The member before has committed meanwhile, or the replica that answered is behind.
		if err := sleep(w.ctx, pause); err != nil {
			return nil, err
		}
	}
}

// resume makes req go on behind what was handled, or else where the bucket says, or else
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
	}
	req.Header.Set("Last-Event-ID", p.id)
}

func (p *position) lastEventID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

// handled notes that the event behind which the ID is id was handled, and commits it
// if that is due. It fails where the lease is lost.
func (p *position) handled(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !sendable(id) {
		id = p.id // early rather than not at all
	}
	if p.events == 0 {
		if id == p.id {
			return p.err
		}
		p.since = time.Now()
		if interval := p.w.cfg.Commit.Interval; interval > 0 {
			p.timer.Reset(interval)
		}
	}
	p.id = id
	p.events++
	if limit := p.w.cfg.Commit.Events; limit > 0 && p.events >= limit {
		p.commit()
	}
	return p.err
}

// due commits when the time has come, be it that there is no further event.
func (p *position) due() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.commit(); p.err != nil {
		p.w.stop(p.err)
	}
}

// commit writes what was handled, and waits for NATS as long as the leases hold.
func (p *position) commit() {
	if p.events == 0 || p.err != nil {
		return
	}
	next := p.record
	next.Committed, next.LastEventID, next.Lag = true, p.id, time.Since(p.since)
	now, err := entry{}, ErrLeaseLost
	if p.w.valid() {
		now, err = p.w.fleet.kv.put(p.w.session.ctx, p.key, encode(next), p.revision)
	}
	if err != nil {
		p.err = ErrLeaseLost
		return
	}
	p.timer.Stop()
	p.record, p.revision, p.events = next, now.revision, 0
	call(p.w.trace.Committed, StreamInfo{Stream: p.w.stream, LastEventID: p.id})
}

// close commits what is left. From then on nothing is.
func (p *position) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commit()
	p.timer.Stop()
	if p.err == nil && !p.w.valid() {
		p.err = ErrLeaseLost
	}
	return p.err
}

// sendable reports whether a Last-Event-ID header can carry id, as package sse has it.
func sendable(id string) bool {
	return len(id) <= 8<<10 && strings.IndexFunc(id, func(r rune) bool {
		return r < ' ' && r != '\t' || r == 0x7f
	}) < 0
}
