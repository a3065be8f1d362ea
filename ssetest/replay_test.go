package ssetest_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

func writeRecording(t testing.TB, text string) (file string) {
	file = filepath.Join(t.TempDir(), "recording.txt")
	require.NoError(t, os.WriteFile(file, []byte("sse-recording 1\n"+text), 0o666))
	return file
}

// TestReplay plays a recording, in fake time and in real time.
func TestReplay(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := ssetest.Replay(t, writeRecording(t, `
0s    connect
0s    event tick "1" id "1"
+20ms bytes ": hello\n\nid: 2\nda"
+20ms bytes "ta: 2\n\ndata: lost"
+0s   drop
+0s   connect
+0s   status 503
+0s   end
+0s   connect
+0s   event message "3" id "3"
+0s   end
`))
		client := sse.Client{HTTPClient: srv.Client(), ReconnectionTime: 10 * time.Millisecond}
		start := time.Now()
		got := ssetest.Take(t, client.Get(t.Context(), srv.URL()), 3)
		require.Equal(t, []sse.Event{
			{Type: "tick", Data: "1", LastEventID: "1"},
			{Type: "message", Data: "2", LastEventID: "2"},
			{Type: "message", Data: "3", LastEventID: "3"},
		}, got)
		require.GreaterOrEqual(t, time.Since(start), 60*time.Millisecond)
		var ids []string
		for _, r := range srv.Requests() {
			ids = append(ids, r.Header.Get("Last-Event-ID"))
		}
		require.Equal(t, []string{"", "2", "2"}, ids)
	})
}

// TestReplayHTTP2: a recording of HTTP/2 is played over HTTP/2.
func TestReplayHTTP2(t *testing.T) {
	for framing, want := range map[string]int{"HTTP/2": 2, "chunked": 1} {
		srv := ssetest.Replay(t, writeRecording(t, "0s connect\n0s status 200 "+framing+"\n0s bytes a\n0s end\n"))
		resp, err := srv.Client().Get(srv.URL())
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "a", string(body))
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.ProtoMajor)
	}
}

// TestReplayDay: a day of a stream, with a drop each minute, is played in fake time in less
// than a second: here, a tenth of it is looked at. Each event comes once.
func TestReplayDay(t *testing.T) {
	var text strings.Builder
	n := 0
	for minute := range 24 * 60 {
		fmt.Fprintf(&text, "%dm0s connect\n", minute)
		if n > 0 {
			fmt.Fprintf(&text, "+0s header Last-Event-ID %d\n", n)
		}
		for range 10 {
			n++
			fmt.Fprintf(&text, "+5.5s bytes \"id: %d\\ndata: %d\\n\\n\"\n", n, n)
		}
		fmt.Fprintf(&text, "+1s bytes \"id: %d\\ndata: lo\"\n+0s drop\n", n+1)
	}
	file := writeRecording(t, text.String())
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Replay(t, file)
		client := sse.Client{HTTPClient: srv.Client(), NewBackoff: constant}
		start := time.Now()
		seen := 0
		for ev, err := range client.Get(t.Context(), srv.URL()) {
			require.NoError(t, err)
			seen++
			require.Equal(t, strconv.Itoa(seen), ev.Data)
		}
		require.Equal(t, 24*60*10, seen)
		// 56 s of each minute, and a second before each further connection.
		require.Equal(t, 24*60*57*time.Second, time.Since(start))
	})
}

// TestReplayResumes: a client that is cut off at random, and not where the recorded one was,
// gets each event of the recording once.
func TestReplayResumes(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			var text strings.Builder
			events := 5 + rnd.IntN(50)
			connect := func(id int) {
				text.WriteString("+1s connect\n")
				if id > 0 {
					fmt.Fprintf(&text, "+0s header Last-Event-ID %d\n", id)
				}
			}
			connect(0)
			for id := 0; id < events; { // each time, a connection, or the rest of the last one
				stream := ""
				for n := id + 1; n <= events; n++ {
					stream += fmt.Sprintf("id: %d\ndata: %s\n\n", n, strings.Repeat("x", rnd.IntN(20)))
				}
				if rnd.IntN(3) > 0 { // it is cut
					stream = stream[:rnd.IntN(len(stream))]
				}
				id += strings.Count(stream, "\n\n")
				for stream != "" {
					n := min(1+rnd.IntN(30), len(stream))
					fmt.Fprintf(&text, "+%dms bytes %q\n", rnd.IntN(3000), stream[:n])
					stream = stream[n:]
				}
				if id < events {
					text.WriteString("+1s drop\n")
					connect(id)
					if rnd.IntN(2) == 0 {
						text.WriteString("+0s status 503\n+0s end\n")
						connect(id)
					}
				}
			}
			text.WriteString("+1h end\n")
			srv := ssetest.Replay(t, writeRecording(t, text.String()))
			client := sse.Client{HTTPClient: srv.Client(), NewBackoff: constant, Reconnect: sse.Transient}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cut := func() { // from the first event on: before it the client has no position
				for range 20 {
					select {
					case <-time.After(time.Duration(rnd.IntN(10000)) * time.Millisecond):
						srv.CloseConnections()
					case <-ctx.Done():
						return
					}
				}
			}
			n := 0
			for ev, err := range client.Get(t.Context(), srv.URL()) {
				require.NoError(t, err)
				if n++; n == 1 {
					go cut()
				}
				require.Equal(t, strconv.Itoa(n), ev.LastEventID, "%s", text.String())
			}
			require.Equal(t, events, n, "%s", text.String())
		})
	}
}

// TestReplayFails if there is no recording, or nothing in it to play.
func TestReplayFails(t *testing.T) {
	file := writeRecording(t, "0s connct\n")
	require.Equal(t, []string{"ssetest: " + file + `: recording: line 2, column 4: "connct" is no kind of step`},
		runs(t, func(t testing.TB) { ssetest.Replay(t, file) }))
	require.Equal(t, []string{"ssetest: open testdata/no-such-file: no such file or directory"},
		runs(t, func(t testing.TB) { ssetest.Replay(t, "testdata/no-such-file") }))
	require.Contains(t, fails(t, func(t testing.TB) {
		srv := ssetest.Replay(t, writeRecording(t, "0s connect\n1s event message a\n1s drop\n"))
		client := sse.Client{HTTPClient: srv.Client(), NewBackoff: constant}
		ssetest.Take(t, client.Get(t.Context(), srv.URL()), 2)
	}), "want 2 events, got 1, then the stream ended without an error\n")
}
