package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// entry is what the bucket has at a key; with revision 0, nothing.
type entry struct {
	key      string
	value    []byte
	revision uint64
	deleted  bool
}

func entryOf(e jetstream.KeyValueEntry) entry {
	return entry{e.Key(), e.Value(), e.Revision(), e.Operation() != jetstream.KeyValuePut}
}

// op is what a write is for. Trace.Trouble names it.
type op struct {
	name   string
	stream string
	once   bool // an error that waiting may cure is returned, too: the caller waits elsewhere
}

// store writes to the bucket by compare-and-set. An answer that is lost says nothing about
// the write, and neither does a refusal at the time that NATS elects a leader, nor a replica
// that is behind: only a revision above the expected one shows what became of a write.
type store struct {
	jetstream.KeyValue
	conn     *nats.Conn // nil if unknown
	patience time.Duration
	trouble  func(TroubleInfo)
}

const (
	pause      = 100 * time.Millisecond // the first wait between two tries
	maxPause   = 5 * time.Second        // the longest one, if waiting may help,
	badPause   = time.Second            // and the first
	maxBad     = time.Minute            // and longest one, if only a person can
	tryTime    = 10 * time.Second       // of one try, whose answer may come late
	maxTries   = 3                      // of one write that may be under way at a time
	maxLookups = 8                      // of a position that others write at the same time
)

func (s store) report(o op, err error, delay time.Duration) {
	s.trouble(TroubleInfo{Op: o.name, Stream: o.stream, Err: err, Delay: delay})
}

func (s store) status(ctx context.Context) (jetstream.KeyValueStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	return s.Status(ctx)
}

// get returns the value at key, at revision 0 if there is none. Any replica answers: it may
// be out of date.
func (s store) get(ctx context.Context, key string) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	e, err := s.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return entry{key: key, deleted: true}, nil
	}
	if err != nil {
		return entry{}, err
	}
	return entryOf(e), nil
}

// last returns what was written last at key, even a deletion, whose revision get does not know.
func (s store) last(ctx context.Context, key string) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	watcher, err := s.Watch(ctx, key)
	if err != nil {
		return entry{}, err
	}
	defer drain(watcher)
	select {
	case e, ok := <-watcher.Updates():
		switch {
		case !ok:
			return entry{}, errWatchEnded
		case e == nil:
			return entry{key: key, deleted: true}, nil
		}
		return entryOf(e), nil
	case <-ctx.Done():
		return entry{}, ctx.Err()
	}
}

// drain ends a watcher, whose sender must not be left blocked.
func drain(watcher jetstream.KeyWatcher) {
	_ = watcher.Stop() // it may have been stopped by the context
	for {
		select {
		case _, ok := <-watcher.Updates():
			if !ok {
				return
			}
		case <-time.After(time.Second): // a connection that was closed does not close it
			return
		}
	}
}

// put writes value at key if the key's revision is still the given one, 0 for a key that
// has no value. It tries until the value is written, or another member has written
// (errTaken), or ctx is done, and returns what is there then if it is known.
func (s store) put(ctx context.Context, o op, key string, value []byte, revision uint64) (entry, error) {
	sent, err := s.putAt(ctx, o, key, value, revision)
	return sent.entry, err
}

// sent is an entry, and when the try that wrote it began.
type sent struct {
	entry
	at time.Time
}

func (s store) putAt(ctx context.Context, o op, key string, value []byte, revision uint64) (sent, error) {
	began := time.Now()
	written, found, err := s.write(ctx, o, key, revision, func(ctx context.Context) (uint64, error) {
		return s.Update(ctx, key, value, revision)
	})
	switch {
	case err == nil:
		return sent{entry{key: key, value: value, revision: written.revision}, written.at}, nil
	case err == errTaken && !found.deleted && bytes.Equal(found.value, value):
		return sent{found, began}, nil // by this member: the answer was lost
	case err == errTaken && found.deleted && revision == 0:
		return s.putAt(ctx, o, key, value, found.revision)
	}
	return sent{entry: found}, err
}

// anyRevision makes del delete what is there.
const anyRevision = 0

// del deletes key if its revision is still the given one, and tries as put does.
func (s store) del(ctx context.Context, o op, key string, revision uint64) (entry, error) {
	_, found, err := s.write(ctx, o, key, revision, func(ctx context.Context) (uint64, error) {
		return 0, s.Delete(ctx, key, jetstream.LastRevision(revision))
	})
	switch {
	case err == nil:
		return entry{key: key, deleted: true, revision: revision}, nil
	case err == errTaken && found.deleted:
		return found, nil
	}
	return found, err
}

// probe writes value at key, whatever is there, to see whether that is possible.
func (s store) probe(ctx context.Context, key string, value []byte) error {
	_, _, err := s.write(ctx, op{name: "join", once: true}, key, 0, func(ctx context.Context) (uint64, error) {
		return s.Put(ctx, key, value)
	})
	return err
}

// fence deletes the record of a session, so that it cannot be renewed. A record that was
// not seen, at revision 0, is made first: that fails if there is one after all.
func (s store) fence(ctx context.Context, key string, revision uint64) (entry, error) {
	o := op{name: "fence"}
	if revision == 0 {
		now, err := s.put(ctx, o, key, encode(memberRecord{Leaving: true}), 0)
		if err != nil {
			return now, err
		}
		revision = now.revision
	}
	return s.del(ctx, o, key, revision)
}

// answer is what became of one try.
type answer struct {
	revision uint64
	at       time.Time // when the try began
	err      error
}

// write calls try until it succeeds, or the revision at key has become larger than the
// given one: then it returns what is there, and errTaken. A try that gets no answer for a
// while is not cut: NATS may be slow. Another one begins beside it, since NATS may also have
// lost the first. All of them carry the same value and expect the same revision, so that one
// of them takes effect at most.
func (s store) write(ctx context.Context, o op, key string, revision uint64, try func(context.Context) (uint64, error)) (written answer, found entry, err error) {
	tries, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, maxTries)
	underWay := 0
	begin := func() {
		underWay++
		go func() {
			a := answer{at: time.Now()}
			ctx, cancel := context.WithTimeout(tries, tryTime)
			defer cancel()
			a.revision, a.err = try(ctx)
			answers <- a
		}()
	}
	var last error
	wait, bad := newWait(pause, maxPause), newWait(badPause, maxBad)
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	for begin(); ; {
		select {
		case <-ctx.Done():
			return answer{}, entry{}, because(context.Cause(ctx), last)
		case <-timer.C:
			if last = s.denied(key); last == nil {
				if underWay < maxTries {
					begin()
				}
				timer.Reset(s.patience)
				continue
			}
		case a := <-answers:
			underWay--
			if last = a.err; last == nil {
				return a, entry{}, nil
			}
		}
		var delay time.Duration
		switch {
		case ctx.Err() != nil:
			return answer{}, entry{}, because(context.Cause(ctx), last)
		case errors.Is(last, jetstream.ErrKeyRevisionMismatch) || errors.Is(last, jetstream.ErrKeyExists):
			found, err = s.look(ctx, key, revision)
			if err == errTaken || err == errGone {
				return answer{}, found, err
			}
			delay = wait.NextBackOff() // NATS elects a leader
			s.report(o, last, delay)
		case fatal(last) || hopeless(last):
			s.report(o, last, 0)
			return answer{}, entry{}, last
		case o.once:
			return answer{}, entry{}, last
		case permanent(last):
			delay = bad.NextBackOff()
			s.report(o, last, delay)
		default:
			if cause := s.denied(key); cause != nil {
				last = cause
			}
			delay = wait.NextBackOff()
			s.report(o, last, delay)
		}
		if underWay > 0 {
			timer.Reset(s.patience) // there is another try to wait for
			continue
		}
		if sleep(ctx, delay) != nil {
			return answer{}, entry{}, because(context.Cause(ctx), last)
		}
		timer.Reset(s.patience)
		begin()
	}
}

// look returns what is at key after a refusal: errTaken if it is newer than revision. It is
// errGone if there was something, and is nothing any more, not even a deletion.
func (s store) look(ctx context.Context, key string, revision uint64) (entry, error) {
	gone := revision != 0
	for _, look := range []func(context.Context, string) (entry, error){s.get, s.last} {
		found, err := look(ctx, key)
		if err == nil && found.revision > revision {
			return found, errTaken
		}
		gone = gone && err == nil && found.revision == 0
	}
	if gone {
		return entry{key: key, deleted: true}, errGone
	}
	return entry{}, nil
}

// sleep waits, and returns the cause of ctx if that is done first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// newWait returns waits that double from least to most, each up to half longer or shorter at random.
func newWait(least, most time.Duration) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(least), backoff.WithMultiplier(2),
		backoff.WithMaxInterval(most), backoff.WithMaxElapsedTime(0))
}

// because returns err, with why it came to it.
func because(err, cause error) error {
	if cause == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
