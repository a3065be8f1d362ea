package main

import (
	"io"
	"net/http"
)

// An eventStream is a fake's response. What it sends, it sends at once.
type eventStream struct{ w http.ResponseWriter }

func newEventStream(w http.ResponseWriter) eventStream {
	w.Header().Set("Content-Type", "text/event-stream")
	return eventStream{w}
}

func (s eventStream) send(events ...string) {
	for _, text := range events {
		_, err := io.WriteString(s.w, text)
		if err == nil {
			err = http.NewResponseController(s.w).Flush()
		}
		if err != nil {
			s.cut() // the client has left
		}
	}
}

// sendHalf sends the first half of an event.
func (s eventStream) sendHalf(event string) { s.send(event[:len(event)/2]) }

// cut drops the connection, as a network does, and ends the handler.
func (s eventStream) cut() { panic(http.ErrAbortHandler) }
