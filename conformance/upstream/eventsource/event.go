// Package eventsource has the client's API of github.com/launchdarkly/eventsource, on top of
// package sse. The tests of programs that use that module run with this package in its place:
// see package upstream. It has no decoder, encoder, server and repository.
//
// It is also the long form of docs/migrating.md: it shows which part of package sse does what
// an option of that module does.
package eventsource

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/lastevent/sse"
)

// ErrReadTimeout is reported after a connection was silent for the read timeout.
var ErrReadTimeout = errors.New("eventsource: read timeout")

// A SubscriptionError is a response with another status than 200.
type SubscriptionError struct {
	Code    int
	Message string // the first 64 KiB of the body
	Header  http.Header
}

func (e SubscriptionError) Error() string {
	return fmt.Sprintf("eventsource: status %d: %s", e.Code, e.Message)
}

// An Event is one event. The events of a Stream also implement EventWithLastID and
// EventWithHeaders.
type Event interface {
	Id() string
	Event() string
	Data() string
}

// An EventWithLastID has the last event ID in force.
type EventWithLastID interface{ LastEventID() string }

// An EventWithHeaders has the header of the response that carried it.
type EventWithHeaders interface{ Headers() http.Header }

// A Logger takes messages for people.
type Logger interface {
	Println(...any)
	Printf(string, ...any)
}

// A StreamErrorHandlerResult decides whether a stream continues after an error.
type StreamErrorHandlerResult struct{ CloseNow bool }

// A StreamErrorHandler is called for each error, on a goroutine of the stream.
type StreamErrorHandler func(error) StreamErrorHandlerResult

// received is an event of a Stream.
type received struct {
	event  sse.Event
	header http.Header
}

// Id returns the last event ID in force: package sse does not show whether the event had an
// id field of its own.
func (r received) Id() string { //nolint:revive // the name is the API's
	return r.event.LastEventID
}

// Event returns the type, empty for message: to package sse, an event without a type and an
// event of type message are the same.
func (r received) Event() string {
	if r.event.Type == "message" {
		return ""
	}
	return r.event.Type
}

func (r received) Data() string         { return r.event.Data }
func (r received) LastEventID() string  { return r.event.LastEventID }
func (r received) Headers() http.Header { return r.header }

// translate returns the error that this API has for one of package sse.
func translate(err error) error {
	var refused *sse.ResponseError
	switch {
	case errors.Is(err, sse.ErrIdleTimeout):
		return ErrReadTimeout
	case errors.As(err, &refused):
		return SubscriptionError{Code: refused.StatusCode, Message: string(refused.Body), Header: refused.Header}
	}
	return err
}
