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

// entry is what the bucket has at a key. Revision 0: nothing is known to be there.
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

// store writes to the bucket by compare-and-set. An answer that is lost says nothing
// about the write: each value is written by one session alone, so that reading it tells.
type store struct {
	jetstream.KeyValue
	timeout time.Duration // of one try
}

func (s store) status(ctx context.Context) (jetstream.KeyValueStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.Status(ctx)
}

// get returns what is at key, deleted if nothing is. What it returns may be out of date:
// any replica answers.
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

// put writes value at key if the key's revision is still the given one, 0 for a key that
// has no value. It tries until the value is written, or somebody else has written
// (errTaken), or ctx is done, and returns what is there then as far as it is known.
func (s store) put(ctx context.Context, key string, value []byte, revision uint64) (entry, error) {
	now := entry{key: key, value: value}
	write := func(ctx context.Context) (err error) {
		if revision == 0 {
			now.revision, err = s.Create(ctx, key, value)
		} else {
			now.revision, err = s.Update(ctx, key, value, revision)
		}
		return err
	}
	done := func(e entry) bool { return !e.deleted && bytes.Equal(e.value, value) }
	if found, err := s.write(ctx, key, revision, write, done); err != nil || found.key != "" {
		return found, err
	}
	return now, nil
}

// anyRevision makes del delete what is there.
const anyRevision = 0

// del deletes key if its revision is still the given one, and tries as put does.
func (s store) del(ctx context.Context, key string, revision uint64) (entry, error) {
	write := func(ctx context.Context) error {
		return s.Delete(ctx, key, jetstream.LastRevision(revision))
	}
	done := func(e entry) bool { return e.deleted }
	if found, err := s.write(ctx, key, revision, write, done); err != nil {
		return found, err
	}
	return entry{key: key, deleted: true, revision: revision}, nil
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

// write calls try until it succeeds. Where that fails it returns what it found at key.
func (s store) write(ctx context.Context, key string, revision uint64, try func(context.Context) error, done func(entry) bool) (found entry, err error) {
	unanswered := false // a try whose answer was lost may have succeeded
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
			found, err := s.get(ctx, key)
			outdated := err != nil || !found.deleted && found.revision <= revision
			switch {
			case !outdated && done(found):
				return found, nil
			case !outdated || !unanswered:
				return found, errTaken
			}
		default:
			unanswered = true
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
