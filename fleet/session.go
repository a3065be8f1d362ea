package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"
)

// A session is the time for which a member holds leases: as long as it renews its record,
// or until others delete the record. A member that has lost its session begins another.
type session struct {
	id    string
	ctx   context.Context // done with ErrLeaseLost, and its cause, once the leases may be over
	end   context.CancelCauseFunc
	kv    store
	ttl   time.Duration
	epoch uint64        // what makes a fencing token of a revision
	over  *time.Timer   // ends the session
	kick  chan struct{} // asks for a renewal now

	writing  sync.Mutex // held while the record is written, however long NATS takes
	revision uint64

	mu      sync.Mutex
	record  memberRecord
	first   uint64    // revision of the record
	until   time.Time // the end of the leases, unless they are renewed
	sent    time.Time // the last renewal
	acked   uint64    // revision of the record that NATS has acknowledged
	trouble error     // of the last renewal that failed
}

// newSession returns a session that has not begun.
func (f *fleet) newSession(ctx context.Context) *session {
	s := &session{id: rand.Text(), kv: f.store, ttl: f.cfg.LeaseTTL, epoch: f.epoch, kick: make(chan struct{}, 1)}
	s.kv.trouble = func(info TroubleInfo) {
		if info.Op == "renew" {
			s.mu.Lock()
			s.trouble = info.Err
			s.mu.Unlock()
		}
		f.store.trouble(info)
	}
	// What is being committed when the caller's ctx ends still needs the leases.
	s.ctx, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	s.over = time.AfterFunc(time.Hour, func() { s.end(lost(s.cause())) })
	s.over.Stop()
	return s
}

// cause returns why the leases were not renewed in time.
func (s *session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != nil {
		return s.trouble
	}
	return fmt.Errorf("fleet: NATS did not renew it within %v", s.ttl)
}

// begin writes the record for the first time.
func (s *session) begin(ctx context.Context) error {
	if err := s.write(ctx, op{name: "join"}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = s.acked
	return nil
}

func (s *session) key() string { return memberPrefix + s.id }

// keep renews the record until the session ends.
func (s *session) keep() {
	for {
		timer := time.NewTimer(s.next())
		select {
		case <-timer.C:
		case <-s.kick:
			timer.Stop()
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
		if err := s.write(s.ctx, op{name: "renew"}); err != nil {
			s.end(lost(err))
		}
	}
}

// next returns how long to wait before the next renewal: a third of the TTL after the last one
// was sent, however long NATS took to answer.
func (s *session) next() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Until(s.sent.Add(s.ttl / 3))
}

// change changes the record, and has it written soon.
func (s *session) change(f func(*memberRecord)) {
	s.mu.Lock()
	f(&s.record)
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default: // it will be, anyway
	}
}

// write writes the record, which renews the leases.
func (s *session) write(ctx context.Context, o op) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	s.record.Beat++
	value := encode(s.record)
	s.mu.Unlock()
	now, err := s.kv.putAt(ctx, o, s.key(), value, s.revision)
	if err != nil {
		return err
	}
	s.revision = now.revision
	// Others wait for a whole TTL from when they see the record. This member counts from when
	// it sent it, and ends a twentieth before, for clocks of another speed.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent, s.until = now.at, now.at.Add(s.ttl-s.ttl/20)
	s.acked, s.trouble = now.revision, nil
	left := time.Until(s.until)
	if left <= 0 {
		err = fmt.Errorf("fleet: NATS took %v to answer, too long for a LeaseTTL of %v", time.Since(now.at).Round(time.Millisecond), s.ttl)
	}
	s.over.Reset(left)
	return err
}

// valid reports whether the leases are certain. A process that was paused asks before the
// timer has run.
func (s *session) valid() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx.Err() == nil && time.Now().Before(s.until)
}

// why returns why the leases are not valid.
func (s *session) why() error {
	if s.ctx.Err() != nil {
		return lost(context.Cause(s.ctx))
	}
	return lost(s.cause())
}

// acknowledged returns the last revision of the record that NATS has acknowledged.
func (s *session) acknowledged() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// token returns the fencing token of a lease, and an error if the bucket is not the one
// in which the session began.
func (s *session) token(lease entry) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lease.revision < s.first {
		return 0, errRecreated
	}
	return s.epoch + lease.revision, nil
}

// begun reports whether the record may be in the bucket.
func (s *session) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.Beat > 0
}

const closeTime = 2 * time.Second // for NATS to hear of the end of a session

// close ends the session, and deletes its record, so that others need not wait. It
// returns an error if the record may still be there.
func (s *session) close(ctx context.Context) error {
	s.end(lost(nil))
	s.over.Stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	s.writing.Lock() // its holder has seen the end of the session
	defer s.writing.Unlock()
	_, err := s.kv.del(ctx, op{name: "leave"}, s.key(), anyRevision)
	return err
}
