package recording_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/recording"
)

func read(t *testing.T, text string) *recording.Recording {
	t.Helper()
	r, err := recording.Read(strings.NewReader(text))
	require.NoError(t, err)
	return r
}

func write(t *testing.T, r *recording.Recording) string {
	t.Helper()
	var b strings.Builder
	n, err := r.WriteTo(&b)
	require.NoError(t, err)
	require.Equal(t, int64(b.Len()), n)
	return b.String()
}

// TestFormat reads a file with every kind of step, as a Writer writes it, and writes it again.
func TestFormat(t *testing.T) {
	const text = `sse-recording 1 2026-11-27T18:09:37.5Z
0s         1 connect POST "/v1/answers?key=[redacted]"
0s         1 header Authorization "[redacted]"
0s         1 header Last-Event-Id "7"
0.1ms      1 body ` + "`{\"prompt\":\"hi\"}`" + `
12.5ms     1 status 200 chunked
12.5ms     1 header Content-Type "text/event-stream"
20ms       2 connect
20ms       2 status 204
1m0s       1 bytes "event: delta\n"` + "`data: {\"text\":\"a\"}`" + `"\n\n"
1m0s       1 bytes "\x00\xff"
1m0s       1 event delta "two\nlines" id "8"
24h0m0.5s  1 drop
24h0m0.5s  2 end
48h0m0s    3 connect GET
49h0m0s    3 wait
`
	r := read(t, text)
	require.Equal(t, time.Date(2026, 11, 27, 18, 9, 37, 5e8, time.UTC), r.Start)
	require.False(t, r.Truncated)
	require.Equal(t, recording.Step{
		At: time.Minute, Conn: 1, Kind: recording.Bytes, Value: "event: delta\ndata: {\"text\":\"a\"}\n\n",
	}, r.Steps[8])
	require.Equal(t, recording.Step{
		At: time.Minute, Conn: 1, Kind: recording.Event, Name: "delta", Value: "two\nlines", ID: "8",
	}, r.Steps[10])
	require.Equal(t, text, write(t, r))
}

// TestByHand reads what a person writes: no numbers, relative times, comments, words without
// quotes, and Windows' line ends.
func TestByHand(t *testing.T) {
	const text = `sse-recording 1   # a comment

# another one
0s    connect GET /feed
0s    status  200
+0s   header  Content-Type text/event-stream
+20ms event   message {} id 1   # a JSON object
+1s   bytes   ": still "'here'
`
	_, err := recording.Read(strings.NewReader(text))
	require.EqualError(t, err, `recording: line 8, column 25: want a space, not "'"`)
	const last = `+1s   bytes   ": still "` + "`here`\n" + `+0s   drop
3s    connect
3s 1  bytes   "late"
`
	_, err = recording.Read(strings.NewReader(text[:strings.LastIndex(text, "+1s")] + last))
	require.EqualError(t, err, `recording: line 11, column 7: connection 1 is over`)
	good := strings.ReplaceAll(text[:strings.LastIndex(text, "+1s")]+strings.Replace(last, "3s 1", "3s 2", 1), "\n", "\r\n")
	require.Equal(t, `sse-recording 1
0s         1 connect GET "/feed"
0s         1 status 200
0s         1 header Content-Type "text/event-stream"
20ms       1 event message "{}" id "1" # a JSON object
1.02s      1 bytes ": still here"
1.02s      1 drop
3s         2 connect
3s         2 bytes "late"
`, write(t, read(t, good)))
}
