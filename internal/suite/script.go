package suite

import (
	"slices"

	"github.com/lastevent/sse/internal/reference"
)

// End is the data of the event that ends most scenarios. Nothing comes after it, so that a
// client which has dispatched it, and the expected events before it, has passed.
const End = "end"

// A Script is what is played to a client, and what is expected of it.
type Script struct {
	Responses []Response // to the first request, the second, …; 204 to all that follow
	Events    []Event
	Requests  []Request // nil: their number does not matter
	Stops     bool      // the client makes no further request
	Opened    int       // how many responses open the stream; -1: it does not matter

	// Optional is the number of responses and events at the end that a client which does not
	// reconnect, or not soon, need not see.
	Optional int
}

// Script returns the scenario of a case. The stream of a parser case is followed by one more
// event, on the same connection if the stream ends between two blocks, and otherwise on
// the next connection. The event also shows the ID in force.
func (c *Case) Script() Script {
	if c.Responses != nil {
		s := Script{Responses: c.Responses, Events: c.Events, Requests: c.Requests, Stops: c.Stops, Opened: -1}
		if c.Opened != nil {
			s.Opened = *c.Opened
		}
		return s
	}
	s := Script{Events: slices.Clone(c.Events), Opened: -1}
	stream := either(c.StreamB64, c.Stream)
	first := Response{Stream: c.Stream, StreamB64: c.StreamB64, Cuts: c.Cuts}
	if c.ContentType != "" {
		first.Header = []string{"Content-Type: " + c.ContentType}
		if !c.Opens {
			s.Responses, s.Requests, s.Stops, s.Opened = []Response{first}, []Request{{}}, true, 0
			return s
		}
	}
	end := Event{Type: "message", Data: End, LastEventID: c.LastEventID}
	if c.InitialLastEventID != "" {
		s.Responses = append(s.Responses, Response{Stream: "retry: 50\nid: " + c.InitialLastEventID + "\ndata: first\n\n"})
		s.Events = append([]Event{{"message", "first", c.InitialLastEventID}}, s.Events...)
		s.Requests = []Request{{}, {LastEventID: &c.InitialLastEventID}}
	}
	s.Responses = append(s.Responses, first)
	switch {
	case c.Reconnect != nil:
		s.Requests = []Request{{}}
		for _, next := range c.Reconnect {
			s.Responses = append(s.Responses, Response{Stream: next.Stream})
			s.Requests = append(s.Requests, Request{LastEventID: &next.RequestLastEventID})
			s.Events = append(s.Events, next.Events...)
		}
		last := &s.Responses[len(s.Responses)-1]
		last.Stream, last.End = last.Stream+"data: "+End+"\n\n", Open
		if n := len(s.Events); n > 0 {
			end.LastEventID = s.Events[n-1].LastEventID
		}
	case betweenBlocks(stream, c):
		last := &s.Responses[len(s.Responses)-1]
		last.Cuts, last.End = append(slices.Clone(last.Cuts), len(stream)), Open
		const more = "data: " + End + "\n\n"
		if last.StreamB64 != nil {
			last.StreamB64 = append(slices.Clone(last.StreamB64), more...)
		} else {
			last.Stream += more
		}
	default:
		s.Optional = 1
		s.Responses = append(s.Responses, Response{Stream: "data: " + End + "\n\n", End: Open})
	}
	s.Events = append(s.Events, end)
	return s
}

// betweenBlocks reports whether an event that follows the stream of a parser case is one of
// its own, and carries the ID that the case has at its end.
func betweenBlocks(stream []byte, c *Case) bool {
	got := reference.Parse(append(slices.Clone(stream), "data: "+End+"\n\n"...), c.InitialLastEventID)
	want := append(slices.Clone(c.Events), Event{"message", End, c.LastEventID})
	return slices.EqualFunc(got.Events, want, func(a reference.Event, b Event) bool { return Event(a) == b })
}
