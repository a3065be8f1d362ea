package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// TestRecording begins with a position, from which the recording is played.
func TestRecording(t *testing.T) {
	const position = `[{"topic":"eqiad.recentchange","partition":0,"timestamp":1795176521002},{"topic":"codfw.recentchange","partition":0,"offset":-1}]`
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Replay(t, "../../testdata/recordings/wikimedia.txt")
		c := consumer{client: srv.Client(), file: filepath.Join(t.TempDir(), "position.txt")}
		if err := save(c.file, position+"\n"); err != nil {
			t.Fatal(err)
		}
		var titles []string
		c.handle = func(ev sse.Event) error {
			var change struct{ Title string }
			err := ev.Unmarshal(&change)
			titles = append(titles, change.Title)
			return err
		}
		if err := c.consume(t.Context(), srv.URL()+"/v2/stream/recentchange"); err != nil {
			t.Fatal(err)
		}
		if want := []string{"Q42", "Category:Rivers"}; !slices.Equal(titles, want) {
			t.Errorf("handled %q, want %q", titles, want)
		}
		if kept, _ := os.ReadFile(c.file); len(kept) < len(position) || string(kept) == position+"\n" {
			t.Errorf("kept %q", kept)
		}
	})
}
