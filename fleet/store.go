package fleet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What lies in the bucket, each value as JSON:
//
//	member.<session>    that a member lives; it writes it again and again
//	lease.<stream>      which session a stream belongs to
//	position.<stream>   where the stream goes on
//
// A stream is named by a hash: its name may have any length and any bytes. Members
// watch leases and each other, and nobody watches positions, of which there are many.
const (
	memberPrefix   = "member."
	leasePrefix    = "lease."
	positionPrefix = "position."
)

type memberRecord struct {
	Member  string        `json:"member"`
	Beat    uint64        `json:"beat"`              // counts the writes of the session
	TTL     time.Duration `json:"ttl"`               // after which others may delete the record
	Leaving bool          `json:"leaving,omitempty"` // takes no more streams
}

type leaseRecord struct {
	Stream  string `json:"stream"`
	Session string `json:"session,omitempty"`
	Member  string `json:"member,omitempty"`
	Claim   uint64 `json:"claim,omitempty"` // counts the session's, so that no two records are the same
	Ended   bool   `json:"ended,omitempty"` // for good: no session has it, and none takes it
}

type positionRecord struct {
	Stream      string        `json:"stream"`
	Fence       uint64        `json:"fence"`     // the revision of the lease that it was written under
	Committed   bool          `json:"committed"` // else the stream starts where its request says
	LastEventID string        `json:"id"`
	Lag         time.Duration `json:"lag,omitempty"` // from the first event that it commits to the commit
}

func leaseKey(stream string) string { return leasePrefix + hash(stream) }

func positionKey(stream string) string { return positionPrefix + hash(stream) }

func hash(stream string) string {
	sum := sha256.Sum256([]byte(stream))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func encode(record any) []byte {
	b, err := json.Marshal(record)
	if err != nil {
		panic(err) // records are strings and numbers
	}
	return b
}

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

// errTaken says that somebody else has written to a key.
var errTaken = errors.New("fleet: written by another member")

// pause is between two tries to reach NATS.
const pause = 100 * time.Millisecond

// store writes to the bucket by compare-and-set. An answer that is lost says nothing about
// the write, and neither does a refusal at the time that NATS elects a leader, nor a
// replica that is behind: what became of a write is told by a revision above the expected one alone.
type store struct {
	jetstream.KeyValue
	timeout time.Duration // of one try
}

func (s store) status(ctx context.Context) (jetstream.KeyValueStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.Status(ctx)
}

// get returns the value at key, at revision 0 if there is none. Any replica answers: it may
// be out of date.
func (s store) get(ctx context.Context, key string) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
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

// last returns what was written last at key, a deletion too, which get knows no revision of.
func (s store) last(ctx context.Context, key string) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	watcher, err := s.Watch(ctx, key)
	if err != nil {
		return entry{}, err
	}
	defer drain(watcher)
	select {
	case e := <-watcher.Updates():
		if e == nil {
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
	for range watcher.Updates() {
	}
}

// put writes value at key if the key's revision is still the given one, 0 for a key that
// has no value. It tries until the value is written, or somebody else has written
// (errTaken), or ctx is done, and returns what is there then as far as it is known.
func (s store) put(ctx context.Context, key string, value []byte, revision uint64) (entry, error) {
	written := entry{key: key, value: value}
	try := func(ctx context.Context) (err error) {
		if revision == 0 {
			written.revision, err = s.Create(ctx, key, value)
		} else {
			written.revision, err = s.Update(ctx, key, value, revision)
		}
		return err
	}
	found, err := s.write(ctx, key, revision, try)
	switch {
	case err == nil:
		return written, nil
	case err == errTaken && !found.deleted && bytes.Equal(found.value, value):
		return found, nil // by this member: the answer was lost
	case err == errTaken && found.deleted && revision == 0:
		return s.put(ctx, key, value, found.revision)
	}
	return found, err
}

// anyRevision makes del delete what is there.
const anyRevision = 0

// del deletes key if its revision is still the given one, and tries as put does.
func (s store) del(ctx context.Context, key string, revision uint64) (entry, error) {
	found, err := s.write(ctx, key, revision, func(ctx context.Context) error {
		return s.Delete(ctx, key, jetstream.LastRevision(revision))
	})
	switch {
	case err == nil:
		return entry{key: key, deleted: true, revision: revision}, nil
	case err == errTaken && found.deleted:
		return found, nil
	}
	return found, err
}

// fence deletes the record of a session, so that it cannot be renewed. A record that was
// not seen, at revision 0, is made first: that fails if there is one after all.
func (s store) fence(ctx context.Context, key string, revision uint64) (entry, error) {
	if revision == 0 {
		now, err := s.put(ctx, key, encode(memberRecord{Leaving: true}), 0)
		if err != nil {
			return now, err
		}
		revision = now.revision
	}
	return s.del(ctx, key, revision)
}

// write calls try until it succeeds, or the revision at key has become larger than the
// given one: then it returns what is there, and errTaken.
func (s store) write(ctx context.Context, key string, revision uint64, try func(context.Context) error) (found entry, err error) {
	for {
		tryCtx, cancel := context.WithTimeout(ctx, s.timeout)
		err := try(tryCtx)
		cancel()
		switch {
		case err == nil:
			return entry{}, nil
		case fatal(err) || errors.Is(err, jetstream.ErrInvalidKey):
			return entry{}, err
		case errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists):
			for _, look := range []func(context.Context, string) (entry, error){s.get, s.last} {
				if found, err := look(ctx, key); err == nil && found.revision > revision {
					return found, errTaken
				}
			}
		}
		if err := sleep(ctx, pause); err != nil {
			return entry{}, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
