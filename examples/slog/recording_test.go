package main

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// TestRecording plays a beacon node that is restarted: one connection is cut, one is cut before
// its answer, and one is refused.
func TestRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Replay(t, "../../testdata/recordings/beacon-chain.txt")
		var out, log strings.Builder
		client := sse.Client{HTTPClient: srv.Client(), Reconnect: sse.Transient, Trace: trace(slog.New(slog.NewTextHandler(&log, nil)))}
		if err := copyData(t.Context(), &out, &client, srv.URL()+"/eth/v1/events?topics=head,block"); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), `"block":"0x9a0`); n != 6 {
			t.Errorf("%d blocks and heads, want 6:\n%s", n, &out)
		}
		for _, part := range []string{`err="unexpected EOF"`, `/eth/v1/events?topics=head,block\": EOF"`, "503 Service Unavailable", "err=EOF"} {
			if strings.Count(log.String(), part) != 1 {
				t.Errorf("want one line with %s in the log:\n%s", part, &log)
			}
		}
		if n := strings.Count(log.String(), "msg=open"); n != 2 {
			t.Errorf("opened %d times, want 2:\n%s", n, &log)
		}
	})
}
