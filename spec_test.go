package sse_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"math"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/reference"
)

// A specCase is a case of testdata/spec; see the README there.
type specCase struct {
	Name               string
	Stream             string
	StreamB64          []byte `json:"stream_b64"`
	Cuts               []int
	InitialLastEventID string
	Events             []sse.Event
	Retry              *big.Int
	LastEventID        string

	ContentType string
	Opens       bool
	Reconnect   []struct {
		RequestLastEventID string
		Stream             string
		Events             []sse.Event
	}

	wptFormat bool // in wpt-format.json
}

func (c *specCase) stream() []byte {
	if c.StreamB64 != nil {
		return c.StreamB64
	}
	return []byte(c.Stream)
}

// handler serves a stream with the case's media type.
func (c *specCase) handler(stream string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", cmp.Or(c.ContentType, "text/event-stream"))
		_, _ = io.WriteString(w, stream)
	}
}

func specCases(t testing.TB) []specCase {
	files, err := filepath.Glob("testdata/spec/*.json")
	require.NoError(t, err)
	var all []specCase
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		var cases []specCase
		require.NoError(t, json.Unmarshal(b, &cases), name)
		for i := range cases {
			cases[i].wptFormat = filepath.Base(name) == "wpt-format.json"
		}
		all = append(all, cases...)
	}
	require.Len(t, all, 449)
	return all
}

// TestSpec holds the parser and the reference to each case, in every cut and in the
// suite's own cuts.
func TestSpec(t *testing.T) {
	for _, c := range specCases(t) {
		if c.ContentType != "" && !c.Opens {
			continue // no parser gets to see it: TestSpecResponses
		}
		t.Run(c.Name, func(t *testing.T) {
			want := outcome{Events: c.Events, LastEventID: c.LastEventID}
			if len(want.Events) == 0 {
				want.Events = nil
			}
			if c.Retry != nil {
				want.HasRetry, want.Retry = true, math.MaxInt64
				if c.Retry.IsInt64() && c.Retry.Int64() <= math.MaxInt64/int64(time.Millisecond) {
					want.Retry = time.Duration(c.Retry.Int64()) * time.Millisecond
				}
			}

			ref := reference.Parse(c.stream(), c.InitialLastEventID)
			var events []sse.Event
			for _, ev := range ref.Events {
				events = append(events, sse.Event(ev))
			}
			require.Equal(t, want.Events, events, "reference")
			require.Equal(t, want.LastEventID, ref.LastEventID, "reference")
			require.Equal(t, c.Retry, ref.Retry, "reference")

			check := func(name string, r io.Reader) {
				p := new(sse.Parser)
				if c.InitialLastEventID != "" {
					p.SetLastEventID(c.InitialLastEventID)
				}
				got := parse(t, p, r)
				got.Comments, got.Unknown, got.Err = nil, nil, nil // the suites do not agree on these
				require.Equal(t, want, got, name)
			}
			everyCut(c.stream(), check)
			if c.Cuts != nil {
				check("the suite's cuts", cutAt(c.stream(), c.Cuts...))
			}
		})
	}
}

// TestSpecOneParser runs all cases through one Parser, one after another: nothing of a
// connection may leak into the next but the ID and the retry value.
func TestSpecOneParser(t *testing.T) {
	p := new(sse.Parser)
	for _, c := range specCases(t) {
		if c.ContentType != "" && !c.Opens {
			continue
		}
		p.SetLastEventID(c.InitialLastEventID)
		got := parse(t, p, bytes.NewReader(c.stream()))
		if len(c.Events) > 0 {
			require.Equal(t, c.Events, got.Events, c.Name)
		} else {
			require.Empty(t, got.Events, c.Name)
		}
		require.Equal(t, c.LastEventID, got.LastEventID, c.Name)
	}
}

// TestWild runs the shapes of real services' streams, in testdata/wild.
func TestWild(t *testing.T) {
	files, err := filepath.Glob("testdata/wild/*.txt")
	require.NoError(t, err)
	want := map[string]struct {
		events      int
		types       string // each once
		lastEventID string
		retry       time.Duration
	}{
		"anthropic":        {5, "message_start ping content_block_delta error message_stop", "", 0},
		"better-sse":       {2, "message", "1", 2 * time.Second},
		"couchdb":          {3, "message heartbeat", `"2-g1"`, 0},
		"firebase":         {4, "put patch keep-alive auth_revoked", "", 0},
		"gemini":           {2, "message", "", 0},
		"gin":              {2, "tick", "", 0},
		"home-assistant":   {3, "message", "", 0},
		"launchdarkly":     {2, "put patch", "", 0},
		"mcp":              {3, "message", "s1_2", 500 * time.Millisecond},
		"mercure":          {2, "message closed", "urn:uuid:2", 0},
		"nchan":            {3, "message", "1795176522:[0],-", 0},
		"ntfy":             {3, "open message keepalive", "", 0},
		"openai-chat":      {5, "message", "", 0},
		"openai-error":     {2, "message", "", 0},
		"openai-responses": {3, "response.created response.output_text.delta response.completed", "", 0},
		"openrouter":       {2, "message", "", 0},
		"stellar":          {4, "open message close", "130-2", 10 * time.Millisecond},
		"wikimedia": {2, "message", `[{"topic":"eqiad.recentchange","partition":0,"timestamp":1795176521002},` +
			`{"topic":"codfw.recentchange","partition":0,"offset":-1}]`, 0},
	}
	require.Len(t, files, len(want))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			stream, err := os.ReadFile(file)
			require.NoError(t, err)
			std := byTheStandard(stream)
			var types []string
			for _, ev := range std.Events {
				if !slices.Contains(types, ev.Type) {
					types = append(types, ev.Type)
				}
			}
			require.Len(t, std.Events, want[name].events)
			require.Equal(t, want[name].types, strings.Join(types, " "))
			require.Equal(t, want[name].lastEventID, std.LastEventID)
			require.Equal(t, want[name].retry, std.Retry)
			everyCut(stream, func(cut string, r io.Reader) {
				require.Equal(t, std, parse(t, new(sse.Parser), r), cut)
			})
		})
	}
}
