package fleet

import (
	"time"

	"github.com/lastevent/sse"
)

// Trace is a set of hooks that see what a member does. Any of them may be nil. They may be
// called at the same time, on any goroutine, and what they report on waits until the hook
// returns.
type Trace struct {
	// Acquired is called when the member has a lease on a stream, before it opens the stream.
	Acquired func(StreamInfo)

	// Released is called once for each Acquired, when the member no longer reads the
	// stream. Err is nil if the stream was handed over, or has ended. It wraps
	// [ErrLeaseLost] if the lease was lost, [ErrUnreachable] if the stream was given back,
	// and [ErrStopped] if the stream was stopped at an event.
	Released func(StreamInfo)

	// Connected is called when a response has opened the stream.
	Connected func(StreamInfo)

	// Disconnected is called when a connection has ended, and when an attempt to open one has
	// failed: Err says why, and is io.EOF if the server closed the stream cleanly. Delay is the
	// wait until the next attempt, zero if this member does not make one, or if StreamError
	// reports what follows.
	Disconnected func(StreamInfo)

	// Committed is called when a position is in the bucket.
	Committed func(StreamInfo)

	// HandlerError is called when the Handler has returned an error for Event, has
	// panicked (a [*PanicError]), or has not returned when its time was over.
	HandlerError func(StreamInfo)

	// StreamError is called when a stream could not be opened, or has ended and is opened
	// again after Delay.
	StreamError func(StreamInfo)

	// Trouble is called when an operation on the bucket has failed, each time that it fails.
	Trouble func(TroubleInfo)

	// Rebalanced is called when the members, the streams to be shared, or this member's
	// share have changed.
	Rebalanced func(RebalanceInfo)
}

// StreamInfo describes what has happened to one stream.
type StreamInfo struct {
	Stream      string
	LastEventID string        // the position: as committed, or after Event
	Token       uint64        // of Acquired: the one of [FencingToken]
	Event       sse.Event     // of HandlerError
	Attempt     int           // of HandlerError: how often the Handler was called with Event under this lease
	Err         error         // of Released, Disconnected, HandlerError and StreamError
	Delay       time.Duration // until the event is handled, or the stream opened, again
	Ended       bool          // of Released: the stream has ended for all members, or is stopped
}

// TroubleInfo describes an operation on the bucket that has failed.
type TroubleInfo struct {
	Op     string        // "check", "watch", "join", "renew", "leave", "claim", "release", "commit", "position", "fence", "list"
	Stream string        // that the operation was for; "" if it was for the member
	Err    error         // the cause, as NATS has it
	Delay  time.Duration // until the next try; zero if there is none
}

// RebalanceInfo describes how streams are shared.
type RebalanceInfo struct {
	Members int // that are alive and not leaving
	Streams int // in any member's list, without those that have ended
	Share   int // of this member
	Lists   int // different lists among the members; 1 if all have the same
}

func call[T any](hook func(T), info T) {
	if hook != nil {
		hook(info)
	}
}
