package fleet

import (
	"time"

	"github.com/lastevent/sse"
)

// Trace is a set of hooks that see what a member does. Any of them may be nil. They may be
// called at the same time, on any goroutine, and what they see of waits for them.
type Trace struct {
	// Acquired is called when the member has a lease on a stream, before it opens it.
	Acquired func(StreamInfo)

	// Lost is called once for each Acquired, when the member reads the stream no
	// more: handed over where Err is nil, or has ended; with [ErrLeaseLost] else.
	Lost func(StreamInfo)

	// Committed is called when a position is in the bucket.
	Committed func(StreamInfo)

	// HandlerError is called when the Handler has returned an error for Event.
	HandlerError func(StreamInfo)

	// StreamError is called when a stream has ended with an error, or could not be opened.
	StreamError func(StreamInfo)

	// Rebalanced is called when the members, or the streams that are to be
	// shared, have changed.
	Rebalanced func(RebalanceInfo)
}

// StreamInfo tells of one stream.
type StreamInfo struct {
	Stream      string
	LastEventID string        // the position: as committed, or behind Event
	Token       uint64        // of Acquired: the one of [FencingToken]
	Event       sse.Event     // of HandlerError
	Err         error         // of Lost, HandlerError and StreamError
	Delay       time.Duration // until the event is handled, or the stream opened, again
	Ended       bool          // of Lost: there is no more
}

// RebalanceInfo tells how streams are shared.
type RebalanceInfo struct {
	Members int // that are alive and not leaving
	Streams int // that have not ended
	Share   int // of this member
}

func call[T any](hook func(T), info T) {
	if hook != nil {
		hook(info)
	}
}
