package sse

import (
	"fmt"
	"io"
)

// An UnfinishedError ends a stream that was closed cleanly, but in the middle of
// something: inside an event, after text that is no event, or, from [Decode] and [Until],
// before the event that should have been the last. [errors.Is] reports it as an
// [io.ErrUnexpectedEOF].
//
// A body that the network cut ends with the network's error instead.
type UnfinishedError struct {
	// Event is the block that the end cut off, as it would have been dispatched. It is
	// the zero Event if the stream ended between events.
	Event Event

	// Text is the first KiB of the text after the last event that was no field: a bare
	// JSON error, an HTML page. Its lines are joined by "\n". Only [Stream] and the
	// sequences of [Client] collect it.
	Text string
}

// Error quotes the beginnings of the event's data and of the text.
func (e *UnfinishedError) Error() string {
	msg := "sse: the stream ended early"
	if e.Event != (Event{}) {
		msg = fmt.Sprintf("sse: the stream ended inside an event: type %q, ID %q, data %q",
			begin(e.Event.Type), begin(e.Event.LastEventID), begin(e.Event.Data))
	}
	if e.Text != "" {
		msg += fmt.Sprintf(", after text that is no event: %q", begin(e.Text))
	}
	return msg
}

// Unwrap returns [io.ErrUnexpectedEOF].
func (e *UnfinishedError) Unwrap() error { return io.ErrUnexpectedEOF }
