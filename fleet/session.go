package fleet

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// A session is the time for which a member holds leases: as long as it renews its record,
// or until others delete the record. A member that has lost its session begins another.
type session struct {
	id   string
	ctx  context.Context // done with ErrLeaseLost as the cause, once the leases may be over
	end  context.CancelCauseFunc
	kv   store
	ttl  time.Duration
	over *time.Timer // ends the session

	writing  sync.Mutex // held while the record is written
	record   memberRecord
	revision uint64

	mu    sync.Mutex
	until time.Time // the end of the leases, unless they are renewed
}

// join begins a session, once NATS lets it.
func (f *fleet) join(ctx context.Context) (*session, error) {
	if f.past != "" { // others would count two members, for a TTL
		if _, err := f.kv.del(ctx, f.past, anyRevision); err != nil {
			return nil, err
		}
		f.past = ""
	}
	s := &session{id: rand.Text(), kv: f.kv, ttl: f.cfg.LeaseTTL}
	s.kv.timeout = min(s.kv.timeout, s.ttl/3) // leaves time for another try
	s.record = memberRecord{Member: f.cfg.Member, TTL: s.ttl}
	// What is being committed when the caller's ctx ends still needs the leases.
	s.ctx, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	s.over = time.AfterFunc(s.ttl, func() { s.end(ErrLeaseLost) })
	s.over.Stop()
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *session) key() string { return memberPrefix + s.id }

// keep renews the record until the session ends.
func (s *session) keep() {
	for next := s.ttl / 3; sleep(s.ctx, next) == nil; {
		began := time.Now()
		if err := s.write(s.ctx); err != nil {
			s.end(ErrLeaseLost)
		}
		next = s.ttl/3 - time.Since(began) // however long NATS took
	}
}

// leave tells the others that this member takes no more streams.
func (s *session) leave() {
	s.writing.Lock()
	s.record.Leaving = true
	s.writing.Unlock()
	if err := s.write(s.ctx); err != nil {
		s.end(ErrLeaseLost)
	}
}

// write writes the record, which renews the leases.
func (s *session) write(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.record.Beat++
	sent := time.Now()
	now, err := s.kv.put(ctx, s.key(), encode(s.record), s.revision)
	if err != nil {
		return err
	}
	s.revision = now.revision
	// Others wait for a whole TTL from when they see the record. This member counts from when
	// it sent it, and ends a twentieth before, for clocks of another speed.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = sent.Add(s.ttl - s.ttl/20)
	s.over.Reset(time.Until(s.until))
	return nil
}

// valid reports whether the leases hold for certain. A process that was paused asks
// before the timer has run.
func (s *session) valid() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx.Err() == nil && time.Now().Before(s.until)
}

// close ends the session, and deletes its record, so that others need not wait. It
// returns an error if the record may still be there.
func (s *session) close(ctx context.Context) error {
	s.end(ErrLeaseLost)
	s.over.Stop()
	s.writing.Lock()
	defer s.writing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.kv.timeout)
	defer cancel()
	_, err := s.kv.del(ctx, s.key(), anyRevision)
	return err
}
