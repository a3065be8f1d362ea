package sse

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// Decode returns the events' data, decoded as JSON. It ends, and closes the stream, at
// the first event whose data is one of the stop words, such as "[DONE]". An error is
// always the end: one of events, as it is, or one of the JSON, which names the event's
// type and ID and quotes the beginning of its data.
func Decode[T any](events iter.Seq2[Event, error], stop ...string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for ev, err := range events {
			var v T
			if err == nil {
				if slices.Contains(stop, ev.Data) {
					return
				}
				err = decode(ev, &v)
			}
			if err != nil {
				var zero T // not what was decoded of it
				yield(zero, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

func decode(ev Event, v any) error {
	const begin = 64 // characters
	if err := json.Unmarshal([]byte(ev.Data), v); err != nil {
		return fmt.Errorf("sse: event %q, ID %q: %w in %.*q", ev.Type, ev.LastEventID, err, begin, ev.Data)
	}
	return nil
}
