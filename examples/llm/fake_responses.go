package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
)

// responseEvents returns the events of a response. An event's index is its sequence_number.
func responseEvents(id string) []string {
	var events []string
	add := func(typ, data string) {
		events = append(events, fmt.Sprintf("event: %s\ndata: {\"type\": %q, \"sequence_number\": %d, %s}\n\n", typ, typ, len(events), data))
	}
	add("response.created", fmt.Sprintf(`"response": {"id": %q, "status": "queued", "error": null, "usage": null}`, id))
	add("response.in_progress", fmt.Sprintf(`"response": {"id": %q, "status": "in_progress", "error": null, "usage": null}`, id))
	for _, text := range []string{"The ", "air ", "scatters ", "blue ", "light ", "most."} {
		add("response.output_text.delta", fmt.Sprintf(`"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": %q`, text))
	}
	add("response.output_text.done", `"item_id": "msg_1", "output_index": 0, "content_index": 0, "text": "The air scatters blue light most."`)
	add("response.completed", fmt.Sprintf(`"response": {"id": %q, "status": "completed", "error": null, "usage": {"input_tokens": 14, "output_tokens": 8}}`, id))
	return events
}

// A fakeResponses is a service of responses. It cuts its connections inside events.
type fakeResponses struct {
	http.Handler
	cuts        []int        // how many events a connection carries before it is cut; later ones are not
	connections atomic.Int32 // that have carried a stream
	created     atomic.Int32 // responses: each of them costs
}

func newFakeResponses(cuts ...int) *fakeResponses {
	mux := http.NewServeMux()
	f := &fakeResponses{Handler: mux, cuts: cuts}
	mux.HandleFunc("POST /v1/responses", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Stream, Background bool }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !body.Stream || !body.Background {
			http.Error(w, "only streams of background responses", http.StatusBadRequest)
			return
		}
		f.stream(w, responseEvents(fmt.Sprintf("resp_%d", f.created.Add(1))))
	})
	mux.HandleFunc("GET /v1/responses/{id}", func(w http.ResponseWriter, r *http.Request) {
		events := responseEvents(r.PathValue("id"))
		after, err := strconv.Atoi(r.FormValue("starting_after"))
		if r.FormValue("stream") != "true" || err != nil || after < 0 || after >= len(events) {
			http.Error(w, "bad query", http.StatusBadRequest)
			return
		}
		f.stream(w, events[after+1:])
	})
	return f
}

func (f *fakeResponses) stream(w http.ResponseWriter, events []string) {
	s := newEventStream(w)
	if n := int(f.connections.Add(1)); n <= len(f.cuts) && f.cuts[n-1] < len(events) {
		whole := f.cuts[n-1]
		s.send(events[:whole]...)
		s.sendHalf(events[whole])
		s.cut()
	}
	s.send(events...)
}
