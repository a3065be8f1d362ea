package sse

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// An Event is one event of a stream, as a browser's EventSource would dispatch it.
// It is made of strings: comparable, and the receiver's to keep.
type Event struct {
	// Type is the value of the event field, or "message" if the stream named no type.
	// It is never empty in an event that this package dispatched.
	Type string

	// Data holds the values of the data fields, joined by "\n". It may be empty.
	Data string

	// LastEventID is the last event ID in force when the event was dispatched.
	// An ID stays in force until another one, or an empty one, replaces it: consecutive
	// events may carry the same ID, so it does not identify the event.
	LastEventID string
}

// AppendText appends the event's wire form to b, blank line included, and returns the
// extended buffer: an event line unless Type is "message" or empty, an id line unless
// LastEventID is empty, and a data line for each line of Data.
//
// Some strings cannot be represented: AppendText returns an error, and b unchanged, for
// malformed UTF-8, for CR in any field, for LF in Type or LastEventID, and for NUL in
// LastEventID.
//
// AppendText implements [encoding.TextAppender].
func (e Event) AppendText(b []byte) ([]byte, error) {
	if err := e.check(); err != nil {
		return b, err
	}
	if e.Type != "" && e.Type != defaultType {
		b = append(b, "event: "...)
		b = append(b, e.Type...)
		b = append(b, '\n')
	}
	if e.LastEventID != "" {
		b = append(b, "id: "...)
		b = append(b, e.LastEventID...)
		b = append(b, '\n')
	}
	for line := range strings.SplitSeq(e.Data, "\n") {
		b = append(b, "data: "...)
		b = append(b, line...)
		b = append(b, '\n')
	}
	return append(b, '\n'), nil
}

func (e Event) check() error {
	for _, f := range [...]struct{ name, value, forbidden string }{
		{"Type", e.Type, "\r\n"},
		{"Data", e.Data, "\r"},
		{"LastEventID", e.LastEventID, "\r\n\x00"},
	} {
		if i := strings.IndexAny(f.value, f.forbidden); i >= 0 {
			return fmt.Errorf("sse: an event's %s cannot hold %q", f.name, f.value[i])
		}
		if !utf8.ValidString(f.value) {
			return errors.New("sse: an event's " + f.name + " must be valid UTF-8")
		}
	}
	return nil
}
