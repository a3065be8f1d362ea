package sse_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// TestAnswer reads an answer that was recorded once. It needs no network and no key, costs
// nothing, and is the same each time: its pauses, and the character that is split between
// two chunks.
func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Replay(t, "testdata/recordings/openai-chat.txt")
		question := strings.NewReader(`{"model":"weather","stream":true,"messages":[]}`)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+"/v1/chat/completions", question)
		if err != nil {
			t.Fatal(err)
		}
		client := sse.Client{HTTPClient: srv.Client()}
		answer, err := readAnswer(client.Events(req))
		if answer != "The sky, mostly 🌤." || err != nil {
			t.Errorf("got %q, %v", answer, err)
		}
	})
}

// TestFeedGolden compares what a handler sends with a file. SSETEST_UPDATE=1 in the test's
// environment writes the file.
func TestFeedGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, http.HandlerFunc(feed))
		client := sse.Client{HTTPClient: srv.Client(), NewBackoff: constant} // no wait is random
		ssetest.Golden(t, "testdata/golden/feed.txt", client.Get(t.Context(), srv.URL()))
	})
}

// readAnswer joins the pieces of an answer.
func readAnswer(events func(func(sse.Event, error) bool)) (answer string, err error) {
	type chunk struct {
		Choices []struct{ Delta struct{ Content string } }
	}
	for c, err := range sse.Decode[chunk](events, "[DONE]") {
		if err != nil {
			return answer, err
		}
		for _, choice := range c.Choices {
			answer += choice.Delta.Content
		}
	}
	return answer, nil
}
