package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// specCase is what this test needs of a case of testdata/spec.
type specCase struct {
	Name               string
	Stream             string
	StreamB64          []byte `json:"stream_b64"`
	InitialLastEventID string
	ContentType        string
	Opens              bool
	Events             []struct{ Type, Data, LastEventID string }
}

// passes counts the cases whose events a subject gives: with their IDs, and without.
func passes(t *testing.T, s Subject, cases []specCase) (withIDs, withoutIDs int) {
	for _, c := range cases {
		stream := c.StreamB64
		if stream == nil {
			stream = []byte(c.Stream)
		}
		var want, got []Event
		for _, ev := range c.Events {
			want = append(want, Event{ev.Type, ev.Data, ev.LastEventID})
		}
		done := make(chan []Event, 1)
		go func() {
			defer func() {
				if p := recover(); p != nil {
					done <- []Event{{Data: "it panics"}}
				}
			}()
			var got []Event
			for ev, err := range s.Events(bytes.NewReader(stream)) {
				if err != nil {
					break
				}
				got = append(got, ev)
			}
			done <- got
		}()
		select {
		case got = <-done:
		case <-time.After(5 * time.Second):
			got = []Event{{Data: "it hangs"}}
		}
		if slices.Equal(want, got) {
			withIDs++
		}
		for i := range want {
			want[i].LastEventID = ""
		}
		for i := range got {
			got[i].LastEventID = ""
		}
		if slices.Equal(want, got) {
			withoutIDs++
		}
	}
	return withIDs, withoutIDs
}

// TestSpecPeers counts the cases of testdata/spec that each client passes, all but those
// about a response or an ID from before. docs/migrating.md has the figures.
func TestSpecPeers(t *testing.T) {
	files, err := filepath.Glob("../testdata/spec/*.json")
	require.NoError(t, err)
	var cases []specCase
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		var some []specCase
		require.NoError(t, json.Unmarshal(b, &some))
		for _, c := range some {
			if c.InitialLastEventID == "" && (c.ContentType == "" || c.Opens) {
				cases = append(cases, c)
			}
		}
	}
	require.Len(t, cases, 444)
	doc, err := os.ReadFile("../docs/migrating.md")
	require.NoError(t, err)
	for _, s := range append(Ours(), Peers()...) {
		withIDs, withoutIDs := passes(t, s, cases)
		require.Contains(t, string(doc), fmt.Sprintf("| %s | %d | %d |", s.Name, withIDs, withoutIDs))
	}
}
