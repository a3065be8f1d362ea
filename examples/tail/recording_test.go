package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse/ssetest"
)

// TestRecording plays a quarter of an hour of Wikipedia's recent changes, and what follows
// when the server has ended the connection.
func TestRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Replay(t, "../../testdata/recordings/wikimedia.txt")
		var out strings.Builder
		if err := tail(t.Context(), srv.Client(), srv.URL()+"/v2/stream/recentchange", &out); err != nil {
			t.Fatal(err)
		}
		var titles []string
		for line := range strings.Lines(out.String()) {
			_, title, _ := strings.Cut(line, `"title":"`)
			title, _, _ = strings.Cut(title, `"`)
			titles = append(titles, title)
		}
		if got, want := strings.Join(titles, ", "), "Zürich, 東京, Q42, Category:Rivers"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
