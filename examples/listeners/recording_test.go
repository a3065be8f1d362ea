package main

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// TestRecording plays an hour of a database, until the credentials are revoked.
func TestRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Replay(t, "../../testdata/recordings/firebase.txt")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL()+"/rooms/1.json", nil)
		if err != nil {
			t.Fatal(err)
		}
		es := (&sse.Client{HTTPClient: srv.Client()}).EventSource(req)
		var out strings.Builder
		if err := count(t.Context(), es, []string{"put", "patch", "keep-alive", "auth_revoked"}, &out); err != nil {
			t.Fatal(err)
		}
		want := "open: 200 OK\nCONNECTING: EOF\nCLOSED: sse: 204 No Content\n2 put\n1 patch\n2 keep-alive\n1 auth_revoked\n0 message\n"
		if out.String() != want {
			t.Errorf("got %s, want %s", &out, want)
		}
	})
}
