package main

import (
	"fmt"
	"net/http"
	"time"
)

// fake answers any question, a word at a time, in the format that the path calls for.
func fake(w http.ResponseWriter, r *http.Request) {
	part, end := "data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", "data: [DONE]\n\n"
	if r.URL.Path == "/v1/messages" {
		part = "event: content_block_delta\ndata: {\"delta\":{\"type\":\"text_delta\",\"text\":%q}}\n\n"
		end = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, word := range []string{"The ", "air ", "scatters ", "blue ", "light ", "most."} {
		fmt.Fprintf(w, part, word)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Fprint(w, end)
}
