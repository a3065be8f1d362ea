package fleet

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// errTaken says that another member has written to a key.
	errTaken = errors.New("fleet: written by another member")

	// errGone says that what was at a key has been removed without a trace.
	errGone = errors.New("fleet: the key is no longer in the bucket")

	errWatchEnded = errors.New("fleet: the watch of the bucket has ended")
	errRecreated  = errors.New("fleet: the bucket was made anew")
)

// fatal reports whether err says that Run cannot continue.
func fatal(err error) bool {
	return isAny(err, nats.ErrConnectionClosed, jetstream.ErrBucketNotFound, jetstream.ErrStreamNotFound)
}

// hopeless reports whether err says that the same write can never succeed.
func hopeless(err error) bool {
	return isAny(err, jetstream.ErrInvalidKey, nats.ErrBadSubject)
}

// permanent reports whether err stays until a person changes something: limits, rights. The
// server gives no other sign of what it is than these codes.
func permanent(err error) bool {
	if isAny(err, nats.ErrMaxPayload, nats.ErrPermissionViolation, jetstream.ErrJetStreamNotEnabled,
		jetstream.ErrJetStreamNotEnabledForAccount) {
		return true
	}
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case 10054, // message size exceeds maximum allowed
		10077,               // the store refused: maximum bytes exceeded, say
		10002, 10028, 10047, // limits of the account, of memory, of storage
		10026: // maximum consumers limit reached
		return true
	}
	return false
}

// denied returns the missing right that explains why a write to key gets no answer, nil
// if there is no sign of one.
func (s store) denied(key string) error {
	if s.conn == nil {
		return nil
	}
	if err := s.conn.LastError(); errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), key) {
		return err
	}
	return nil
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// lost returns an ErrLeaseLost that wraps its cause.
func lost(cause error) error {
	if cause == nil || errors.Is(cause, ErrLeaseLost) {
		if cause != nil {
			return cause
		}
		return ErrLeaseLost
	}
	return fmt.Errorf("%w: %w", ErrLeaseLost, cause)
}
