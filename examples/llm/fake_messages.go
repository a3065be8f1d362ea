package main

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
)

// messageEvents is an answer in one content block.
var messageEvents = []string{
	"event: message_start\n" + `data: {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "stop_reason": null, "usage": {"input_tokens": 14, "output_tokens": 1}}}` + "\n\n",
	"event: content_block_start\n" + `data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}` + "\n\n",
	"event: ping\n" + `data: {"type": "ping"}` + "\n\n",
	"event: content_block_delta\n" + `data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "The air "}}` + "\n\n",
	"event: content_block_delta\n" + `data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "scatters blue "}}` + "\n\n",
	"event: content_block_delta\n" + `data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "light most."}}` + "\n\n",
	"event: content_block_stop\n" + `data: {"type": "content_block_stop", "index": 0}` + "\n\n",
	"event: message_delta\n" + `data: {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 8}}` + "\n\n",
	"event: message_stop\n" + `data: {"type": "message_stop"}` + "\n\n",
}

// newFakeMessages returns a service of messages, whose models each have an outcome.
func newFakeMessages() http.Handler {
	var answers atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Model string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s := newEventStream(w)
		switch {
		case body.Model == "busy":
			s.send(messageEvents[:4]...)
			s.send("event: error\n" + `data: {"type": "error", "error": {"type": "overloaded_error", "message": "The server is overloaded"}}` + "\n\n")
		case answers.Add(1) == 1:
			s.send(messageEvents[:5]...)
			s.sendHalf(messageEvents[5])
			s.cut()
		default:
			s.send(messageEvents...)
		}
	})
	return mux
}
