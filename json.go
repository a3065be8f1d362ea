package sse

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Unmarshal parses the event's data as JSON into v, as [json.Unmarshal] does. Its error
// names the event's type and ID and quotes the beginning of its data, each cut to 64
// bytes, and wraps the error of the JSON package.
func (e Event) Unmarshal(v any) error {
	if err := json.Unmarshal([]byte(e.Data), v); err != nil {
		return &jsonError{e, err}
	}
	return nil
}

// A jsonError is an error of Event.Unmarshal. Its text stays under 1 KiB, whatever the
// server sent.
type jsonError struct {
	event Event
	err   error
}

func (e *jsonError) Error() string {
	const limit = 128 // bytes of the JSON package's text, which may quote a number of any length
	return fmt.Sprintf("sse: event %q, ID %q: %s in %q",
		begin(e.event.Type), begin(e.event.LastEventID), clip(e.err.Error(), limit), begin(e.event.Data))
}

func (e *jsonError) Unwrap() error { return e.err }

// begin returns the first 64 bytes of s. What errors quote of a stream is cut, since the
// server decides how long it is.
func begin(s string) string { return clip(s, 64) }

// Decode returns the data of events, parsed as JSON. Events whose data is empty or blank
// are skipped: servers send them to keep a stream alive, and no JSON value is blank.
//
// The sequence ends, and closes the stream, at the first event whose data is one of the
// stop words, such as "[DONE]", with or without spaces and tabs around it. If stop words
// are given and the events end without one of them, the sequence ends with an
// [*UnfinishedError]: a truncated answer never looks complete. A stop word also counts if
// the stream was closed cleanly before its blank line. Without stop words the sequence
// ends where the events end.
//
// Any error ends the sequence. An error from events is passed on unchanged, including that
// of an answer that the network cut, such as [io.ErrUnexpectedEOF]. A JSON error is that of
// [Event.Unmarshal], which programs that need the events' types or IDs use instead of Decode.
func Decode[T any](events iter.Seq2[Event, error], stop ...string) iter.Seq2[T, error] {
	last := func(ev Event) bool {
		for _, word := range stop {
			if trim(ev.Data) == trim(word) {
				return true
			}
		}
		return false
	}
	if len(stop) > 0 {
		events = Until(events, last)
	}
	return func(yield func(T, error) bool) {
		for ev, err := range events {
			var v T
			if err == nil {
				if last(ev) {
					return
				}
				if strings.Trim(ev.Data, " \t\n") == "" {
					continue
				}
				err = ev.Unmarshal(&v)
			}
			if err != nil {
				var zero T // not what was decoded before the error
				yield(zero, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// trim removes the spaces and tabs around s.
func trim(s string) string { return strings.Trim(s, " \t") }

// Until returns events up to and including the first one for which last is true, at which
// it closes the stream. That event counts even if the stream was closed cleanly before its
// blank line. If the events end before it, the sequence ends with an [*UnfinishedError]. An
// error from events is passed on unchanged.
func Until(events iter.Seq2[Event, error], last func(Event) bool) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for ev, err := range events {
			whole := err == nil
			if ue := (*UnfinishedError)(nil); errors.As(err, &ue) && ue.Event != (Event{}) {
				ev, whole = ue.Event, true
			}
			end := whole && last(ev)
			if err != nil && !end {
				yield(Event{}, err)
				return
			}
			if !yield(ev, nil) || end {
				return
			}
		}
		yield(Event{}, &UnfinishedError{})
	}
}
