package check

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/lastevent/sse/cmd/sse/internal/check/wire"
)

// sentinels are what the answers of language models end with: data, or the type of an event.
var sentinels = []string{"[DONE]", "message_stop", "response.completed", "response.incomplete", "response.failed"}

// checkAnswer judges the answer to a POST, by its profile.
func (c *checker) checkAnswer(s *stream) {
	if !s.open() || !s.readable {
		return
	}
	switch c.as {
	case "llm":
		c.checkModel(s)
	case "mcp":
		c.checkRPC(s)
	}
}

func (c *checker) checkModel(s *stream) {
	r, id := c.report, "unfinished-event"
	done := isSentinel(s.scan.Unfinished)
	var failure *wire.Event
	for i, ev := range s.scan.Events {
		done = done || slices.Contains(sentinels, ev.Type) || slices.Contains(sentinels, strings.TrimSpace(ev.Data))
		if isFailure(ev) {
			failure = &s.scan.Events[i]
		}
	}
	switch {
	case failure != nil:
		f := r.find(id, Problem, fmt.Sprintf("The answer has an error in place of its end, at line %d, though the status is 200: %s", failure.Line, safe(failure.Data)))
		f.Title, f.Cause = "The answer ends with an error", "The service failed, or refused, after it had sent the header."
		f.Fixes = []Fix{{"any client", "Look for an error in each event; end the answer with it, and do not take what came before for whole."}}
	case !s.Ended:
		r.unverified("the answer did not end while it was watched", id)
	case done:
		r.pass(id)
	default:
		level := Risk
		if s.Err != nil {
			level = Problem
		}
		f := r.find(id, level, fmt.Sprintf("The answer ended after %d events without an end that is known (%s).", s.scan.Count, strings.Join(sentinels[:3], ", ")))
		f.Title = "The answer may be cut short"
		f.Cause = "It was cut, or the service has no such end: then a client cannot tell a whole answer from a part."
	}
}

// isSentinel reports whether a block that was not finished is an answer's end, which clients
// of language models accept.
func isSentinel(unfinished string) bool {
	data, ok := strings.CutPrefix(unfinished, "data:")
	return ok && strings.TrimSpace(data) == sentinels[0]
}

// isFailure reports whether an event says that an answer failed.
func isFailure(ev wire.Event) bool {
	var object struct {
		Type  string          `json:"type"`
		Error json.RawMessage `json:"error"`
	}
	if ev.Type == "error" {
		return true
	}
	if json.Unmarshal([]byte(ev.Data), &object) != nil {
		return false
	}
	return object.Type == "error" || len(object.Error) > 0 && string(object.Error) != "null"
}

// checkRPC looks for the response to the request of a Model Context Protocol client.
func (c *checker) checkRPC(s *stream) {
	var request struct {
		ID json.RawMessage `json:"id"`
	}
	if c.method != http.MethodPost || json.Unmarshal(c.body, &request) != nil || request.ID == nil {
		return
	}
	r, id := c.report, "unfinished-event"
	answered := slices.ContainsFunc(s.scan.Events, func(ev wire.Event) bool {
		var response struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		err := json.Unmarshal([]byte(ev.Data), &response)
		return (err == nil && response.Method == "" || ev.Size > 4<<10) && string(response.ID) == string(request.ID)
	})
	switch {
	case answered || s.coding != "":
	case !s.Ended:
		r.unverified("the response did not come while it was watched", id)
	case s.scan.HasID:
		r.find(id, Note, "The stream ended without the response; it has IDs, so that a client resumes it by GET.")
	case s.scan.Count > 0:
		f := r.find(id, Problem, "The stream ended without the response, and without an ID to resume after.")
		f.Title = "The stream ends without the response"
	}
}
