package ssetest_test

import (
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/recording"
	"github.com/lastevent/sse/ssetest"
)

// TestRecordings plays each connection of testdata/recordings to a client that asks for it,
// at the recorded times.
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("../testdata/recordings/*.txt")
	require.NoError(t, err)
	require.Len(t, files, 9)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			rec, err := recording.ReadFile(file)
			require.NoError(t, err)
			require.False(t, rec.Truncated)
			if rec.HTTP2() && strings.HasPrefix(runtime.Version(), "go1.25") {
				t.Skip("net/http's HTTP/2 server does not run in several bubbles before Go 1.26")
			}
			synctest.Test(t, func(t *testing.T) {
				srv := ssetest.Replay(t, file)
				client := srv.Client()
				client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				for _, c := range rec.Connections() {
					requirePlayed(t, client, srv.URL(), c)
				}
				resp, err := client.Get(srv.URL())
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusNoContent, resp.StatusCode)
			})
		})
	}
}

// requirePlayed makes the request of a connection, and requires that the answer is the recorded one.
func requirePlayed(t *testing.T, client *http.Client, url string, c recording.Connection) {
	first, last := c.Steps[0], c.Steps[len(c.Steps)-1]
	status, body := 0, ""
	for _, s := range c.Steps {
		switch s.Kind {
		case recording.Status:
			status = s.Code
		case recording.Bytes, recording.Event:
			body += string(s.Data())
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), first.Name, url+first.Value, nil)
	require.NoError(t, err)
	for name, value := range c.Request() {
		req.Header.Set(name, value)
	}
	start := time.Now()
	resp, err := client.Do(req)
	if status == 0 {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, status, resp.StatusCode)
	if last.Kind == recording.Wait {
		time.AfterFunc(time.Hour, func() { resp.Body.Close() })
	}
	got, err := io.ReadAll(resp.Body)
	require.Equal(t, body, string(got))
	require.Equal(t, last.Kind == recording.End, err == nil, "%v", err)
	if last.Kind != recording.Wait {
		require.Equal(t, last.At-first.At, time.Since(start))
	}
}

// TestRecordedRedirect: a redirect to another host leads to the recording, too.
func TestRecordedRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Replay(t, "../testdata/recordings/firebase.txt")
		client := sse.Client{HTTPClient: srv.Client(), IdleTimeout: 2 * time.Hour}
		got := ssetest.Await(t, client.Get(t.Context(), srv.URL()+"/rooms/1.json"), "auth_revoked")
		require.Equal(t, `"credential is no longer valid"`, got.Data)
		require.Equal(t, "/rooms/1.json?auth=[redacted]&ns=demo", srv.Requests()[1].URL.RequestURI())
	})
}
