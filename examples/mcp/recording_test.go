package main

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// TestRecording plays a session in which a call's stream is closed early, and resumed.
func TestRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Replay(t, "../../testdata/recordings/mcp.txt")
		s, err := open(t.Context(), srv.URL(), sse.Client{HTTPClient: srv.Client()})
		require.NoError(t, err)
		require.Equal(t, "session-1", s.session)
		var progress []int
		result, err := s.call(t.Context(), "tools/call", map[string]any{
			"name": "count", "arguments": count{To: 3}, "_meta": map[string]any{"progressToken": "p"},
		}, func(m message) {
			var params struct{ Progress int }
			require.NoError(t, json.Unmarshal(m.Params, &params))
			progress = append(progress, params.Progress)
		})
		require.NoError(t, err)
		require.JSONEq(t, counted, string(result))
		require.Equal(t, []int{1, 2, 3}, progress)
		require.NoError(t, s.close(t.Context()))
		require.Equal(t, "s2_1", srv.Requests()[3].Header.Get("Last-Event-ID"))
	})
}
