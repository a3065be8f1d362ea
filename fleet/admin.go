package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
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
	return Position{}, errors.ErrUnsupported
}

// Positions returns the positions of all streams, by name.
func Positions(ctx context.Context, kv jetstream.KeyValue) ([]Position, error) {
	return nil, errors.ErrUnsupported
}

// SetPosition makes a stream resume after the event with the given ID, "" for the beginning.
// A member that reads the stream loses its lease, and the stream resumes there.
func SetPosition(ctx context.Context, kv jetstream.KeyValue, stream, lastEventID string) error {
	return errors.ErrUnsupported
}

// ResetPosition makes a stream start where its request says, as if no member had read it.
// A member that reads the stream loses its lease.
func ResetPosition(ctx context.Context, kv jetstream.KeyValue, stream string) error {
	return errors.ErrUnsupported
}

// Reopen makes members read a stream again that has ended, or that was stopped at an event.
// It returns an error if the stream is neither.
func Reopen(ctx context.Context, kv jetstream.KeyValue, stream string) error {
	return errors.ErrUnsupported
}

// Forget removes all that the bucket has on a stream that is in no member's list. It
// returns an error if the stream is in the list of a member that is alive.
func Forget(ctx context.Context, kv jetstream.KeyValue, stream string) error {
	return errors.ErrUnsupported
}
