package main

import (
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
)

// chatEvents is an answer with two calls, whose arguments arrive in pieces, interleaved.
var chatEvents = []string{
	`data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}], "usage": null}` + "\n\n",
	`data: {"choices": [{"index": 0, "delta": {"content": "I will "}, "finish_reason": null}], "usage": null}` + "\n\n",
	`data: {"choices": [{"index": 0, "delta": {"content": "look up both "}, "finish_reason": null}], "usage": null}` + "\n\n",
	`data: {"choices": [{"index": 0, "delta": {"content": "cities."}, "finish_reason": null}], "usage": null}` + "\n\n",
	`data: {"choices": [{"index": 0, "delta": {"content": null, "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}]}, "finish_reason": null}]}` + "\n\n",
	`data: {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 1, "id": "call_2", "type": "function", "function": {"name": "weather", "arguments": "{\"city\""}}]}, "finish_reason": null}]}` + "\n\n",
	`data: {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{\"city\": \"Os"}}]}, "finish_reason": null}]}` + "\n\n",
	`data: {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "lo\"}"}}, {"index": 1, "function": {"arguments": ": \"Bergen\"}"}}]}, "finish_reason": null}]}` + "\n\n",
	`data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": null}` + "\n\n",
	`data: {"choices": [], "usage": {"prompt_tokens": 14, "completion_tokens": 31, "total_tokens": 45}}` + "\n\n",
	"data: [DONE]\n\n",
}

// newFakeChat returns a service of chat completions, whose models each have an outcome.
func newFakeChat() http.Handler {
	var answers atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Model string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		switch body.Model {
		case "weather":
			s := newEventStream(w)
			if answers.Add(1) == 1 { // a proxy restarts, and closes the stream as if it were complete
				s.send(chatEvents[:3]...)
				s.sendHalf(chatEvents[3])
				return
			}
			s.send(chatEvents...)
		case "busy":
			s := newEventStream(w)
			s.send(chatEvents[:3]...)
			s.send(`data: {"error": {"message": "The server is overloaded", "type": "server_error", "code": null}}` + "\n\n")
		case "broken":
			newEventStream(w).send(`{"error": {"message": "The prompt is too long", "type": "invalid_request_error"}}` + "\n")
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error": {"message": "There is no such model", "type": "invalid_request_error", "code": "model_not_found"}}`)
		}
	})
	return mux
}
