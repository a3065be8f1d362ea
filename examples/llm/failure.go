package main

import (
	"encoding/json"
	"fmt"
)

// An outcome is a way in which an answer fails.
type outcome string

const (
	refused   outcome = "refusal"             // the response is no event stream
	failed    outcome = "error in the stream" // the service gave up on the answer
	truncated outcome = "truncated answer"    // the stream ended too early
	bareError outcome = "bare error"          // after a 200, an error came in place of events
)

// A failure is the error of an answer that is not complete.
type failure struct {
	Outcome outcome
	Service *serviceError // nil if the service did not say why
	Err     error         // nil if the stream itself is well
}

func (f *failure) Error() string {
	if f.Service != nil {
		return fmt.Sprintf("%s: %s", f.Outcome, f.Service)
	}
	return fmt.Sprintf("%s: %v", f.Outcome, f.Err)
}

func (f *failure) Unwrap() error { return f.Err }

// A serviceError is a service's own description of an error. The services agree on its form.
type serviceError struct{ Type, Message string }

func (e *serviceError) String() string { return fmt.Sprintf("%s (%s)", e.Message, e.Type) }

// parseError returns the error in a text like {"error": {"message": "…"}}, nil if there
// is none, as in the HTML page of a proxy.
func parseError(text []byte) *serviceError {
	var body struct{ Error *serviceError }
	if json.Unmarshal(text, &body) != nil {
		return nil
	}
	return body.Error
}
