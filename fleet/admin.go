package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lastevent/sse"
)

// What a person does to a fleet, while its members run or not.

// ErrUnknownStream is returned for a stream that the bucket knows nothing of.
var ErrUnknownStream = errors.New("fleet: no member has ever read the stream")

// A Position is where a stream resumes.
type Position struct {
	Stream      string    `json:"stream"`
	LastEventID string    `json:"last_event_id"`
	Committed   bool      `json:"committed"` // otherwise the stream starts where its request says
	Time        time.Time `json:"time"`      // of the last commit, or of the last lease since, by the clock of NATS
}

// ReadPosition returns the position of a stream. It returns [ErrUnknownStream] if there is none.
func ReadPosition(ctx context.Context, kv jetstream.KeyValue, stream string) (Position, error) {
	e, err := kv.Get(ctx, positionKey(stream))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Position{}, ErrUnknownStream
	}
	if err != nil {
		return Position{}, err
	}
	var r positionRecord
	if err := json.Unmarshal(e.Value(), &r); err != nil {
		return Position{}, &junkError{e.Key(), err}
	}
	return Position{stream, r.LastEventID, r.Committed, e.Created()}, nil
}

// Positions returns the positions of all streams, by name.
func Positions(ctx context.Context, kv jetstream.KeyValue) ([]Position, error) {
	b, err := readBucket(ctx, kv)
	if err != nil {
		return nil, err
	}
	positions := make([]Position, 0, len(b.positions))
	for key, r := range b.positions {
		positions = append(positions, Position{r.Stream, r.LastEventID, r.Committed, b.committed[key]})
	}
	slices.SortFunc(positions, func(a, b Position) int { return cmp.Compare(a.Stream, b.Stream) })
	return positions, nil
}

// SetPosition makes a stream resume after the event with the given ID, "" for the beginning.
// A member that reads the stream loses its lease, and the stream resumes there.
func SetPosition(ctx context.Context, kv jetstream.KeyValue, stream, lastEventID string) error {
	if !sse.Resumable(lastEventID) {
		return fmt.Errorf("fleet: no Last-Event-ID header can carry %.64q", lastEventID)
	}
	return setPosition(ctx, kv, stream, func(r *positionRecord) { r.Committed, r.LastEventID = true, lastEventID })
}

// ResetPosition makes a stream start where its request says, as if no member had read it.
// A member that reads the stream loses its lease.
func ResetPosition(ctx context.Context, kv jetstream.KeyValue, stream string) error {
	return setPosition(ctx, kv, stream, func(r *positionRecord) { r.Committed, r.LastEventID = false, "" })
}

func setPosition(ctx context.Context, kv jetstream.KeyValue, stream string, set func(*positionRecord)) error {
	s := adminStore(kv)
	// The position comes first: then the member that has the lease can commit nothing more.
	err := s.modify(ctx, positionKey(stream), func(old entry) ([]byte, error) {
		r := positionRecord{Stream: stream}
		if !old.deleted {
			_ = json.Unmarshal(old.value, &r) // what is no position is replaced
		}
		r.Stream, r.Lag = stream, 0
		set(&r)
		return encode(r), nil
	})
	if err != nil {
		return err
	}
	return s.modify(ctx, leaseKey(stream), func(old entry) ([]byte, error) {
		var r leaseRecord
		if old.deleted || json.Unmarshal(old.value, &r) == nil && r.Session == "" {
			return nil, errUnchanged
		}
		return nil, nil
	})
}

// Reopen makes members read a stream again that has ended, or that was stopped at an event.
// It returns an error if the stream is neither.
func Reopen(ctx context.Context, kv jetstream.KeyValue, stream string) error {
	return adminStore(kv).modify(ctx, leaseKey(stream), func(old entry) ([]byte, error) {
		var r leaseRecord
		if old.deleted || json.Unmarshal(old.value, &r) == nil && !r.Ended {
			return nil, fmt.Errorf("fleet: the stream %q has not ended", stream)
		}
		return nil, nil
	})
}

// Forget removes all that the bucket has on a stream that is in no member's list. It
// returns an error if the stream is in the list of a member that is alive.
func Forget(ctx context.Context, kv jetstream.KeyValue, stream string) error {
	b, err := readBucket(ctx, kv)
	if err != nil {
		return err
	}
	key := hash(stream)
	if listed, _ := b.listed(); listed[key] {
		return fmt.Errorf("fleet: the stream %q is in a member's list", stream)
	}
	l := b.leases[key]
	if m, held := b.members[l.Session]; held {
		return fmt.Errorf("fleet: the stream %q is read by member %q", stream, m.Member)
	}
	_, leased := b.leases[key]
	_, positioned := b.positions[key]
	if !leased && !positioned && b.junk[key] == nil {
		return ErrUnknownStream
	}
	s := adminStore(kv)
	for _, key := range []string{positionKey(stream), leaseKey(stream)} {
		err := s.modify(ctx, key, func(old entry) ([]byte, error) {
			if old.deleted {
				return nil, errUnchanged
			}
			return nil, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var errUnchanged = errors.New("fleet: nothing to change")

func adminStore(kv jetstream.KeyValue) store {
	return store{KeyValue: kv, patience: time.Second, trouble: func(TroubleInfo) {}}
}

// modify writes what change returns for what is at key, or deletes it for nil. It calls change again if
// a member has written meanwhile. Change returns errUnchanged to leave it.
func (s store) modify(ctx context.Context, key string, change func(old entry) ([]byte, error)) error {
	for {
		old, err := s.get(ctx, key)
		if err != nil {
			return err
		}
		value, err := change(old)
		if err == errUnchanged {
			return nil
		}
		if err != nil {
			return err
		}
		o := op{name: "admin", once: true}
		if value == nil {
			_, err = s.del(ctx, o, key, old.revision)
		} else {
			_, err = s.put(ctx, o, key, value, old.revision)
		}
		if err != errTaken && err != errGone {
			return err
		}
		if err := sleep(ctx, pause/4); err != nil {
			return err
		}
	}
}
