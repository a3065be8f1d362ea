package replay

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	_, err := r.WriteTo(&b)
	require.NoError(t, err)
	read(t, b.String()) // it is one
	return b.String()
}

const three = `sse-recording 1
0s         1 connect GET "/feed"
0s         1 header Accept "text/event-stream"
10ms       1 status 200 length
10ms       1 header Content-Type "text/event-stream"
10ms       1 header Content-Length "45"
20ms       1 bytes "id: 1\r\ndata: a\r\n\r"
30ms       1 bytes "\n: c\r\n\r\ndata: b\r\n\r\nid: 3\n"
35ms       2 connect GET "/other"
40ms       1 bytes "data: c\n\n"
50ms       2 status 204
50ms       2 end
60ms       1 drop
70ms       3 connect GET "/feed"
70ms       3 header Last-Event-Id "3"
80ms       3 status 200 HTTP/2
90ms       3 event message "d" id "4"
90ms       3 event message "e" id "5"
90ms       3 wait
`

// TestCut: what a recording is after a cut, anywhere in it.
func TestCut(t *testing.T) {
	for _, test := range []struct {
		name         string
		conn, events int
		old, cut     string // what is replaced, and by what
	}{
		{"inside a line end", 1, 1, `30ms       1 bytes "\n: c\r\n\r\ndata: b\r\n\r\nid: 3\n"
`, `30ms       1 bytes "\n"
30ms       1 drop
30ms       2 connect GET "/feed"
30ms       2 header Last-Event-Id "1"
30ms       2 header Accept "text/event-stream"
30ms       2 status 200 length
30ms       2 header Content-Type "text/event-stream"
30ms       2 bytes ": c\r\n\r\ndata: b\r\n\r\nid: 3\n"
`},
		{"inside a piece", 1, 2, `30ms       1 bytes "\n: c\r\n\r\ndata: b\r\n\r\nid: 3\n"
`, `30ms       1 bytes "\n: c\r\n\r\ndata: b\r\n\r\n"
30ms       1 drop
30ms       2 connect GET "/feed"
30ms       2 header Last-Event-Id "1"
30ms       2 header Accept "text/event-stream"
30ms       2 status 200 length
30ms       2 header Content-Type "text/event-stream"
30ms       2 bytes "id: 3\n"
`},
		{"after the last event", 1, 3, `40ms       1 bytes "data: c\n\n"
`, `40ms       1 bytes "data: c\n\n"
40ms       1 drop
40ms       2 connect GET "/feed"
40ms       2 header Last-Event-Id "3"
40ms       2 header Accept "text/event-stream"
40ms       2 status 200 length
40ms       2 header Content-Type "text/event-stream"
`},
		{"a later connection", 3, 1, `90ms       3 event message "d" id "4"
`, `90ms       3 bytes "id: 4\ndata: d\n\n"
90ms       3 drop
90ms       4 connect GET "/feed"
90ms       4 header Last-Event-Id "4"
90ms       4 status 200 HTTP/2
`},
	} {
		r := read(t, three)
		require.NoError(t, Cut(r, test.conn, test.events), test.name)
		before, after, ok := strings.Cut(three, test.old)
		require.True(t, ok)
		if test.conn == 1 {
			i := strings.Index(after, "35ms")
			moved := strings.NewReplacer(" 2 ", " 3 ", " 3 ", " 4 ", " 1 ", " 2 ").Replace(after[max(0, i):])
			if i < 0 { // the other connection began before
				moved = strings.NewReplacer(" 3 ", " 4 ", " 1 ", " 3 ").Replace(after)
				test.cut = strings.ReplaceAll(test.cut, "ms       2 ", "ms       3 ")
			}
			after = moved
		} else {
			after = strings.ReplaceAll(after, " 3 ", " 4 ")
		}
		require.Equal(t, before+test.cut+after, write(t, r), test.name)
	}
	require.EqualError(t, Cut(read(t, three), 1, 4), "connection 1 has only 3 events")
	require.EqualError(t, Cut(read(t, three), 2, 1), "connection 2 has only 0 events")
	require.EqualError(t, Cut(read(t, three), 4, 1), "there is no connection 4: the recording has 3")
}

// TestRestamp: which times are moved, also over pieces, and which are not.
func TestRestamp(t *testing.T) {
	const text = `sse-recording 1 2026-11-27T18:09:37.5Z
0s         1 connect GET "/feed?since=1795802977"
0s         1 header Last-Event-Id "1795802976999-0"
10ms       1 status 200
10ms       1 header Date "Fri, 27 Nov 2026 18:09:37 GMT"
10ms       1 header Expires "Thu, 01 Jan 1970 00:00:00 GMT"
20ms       1 bytes "data: 2026-11-27T18:09:37.123Z 2026-11-27 19:09:37+01:00 2026-11-2"
30ms       1 bytes "7T23:59:59z|1795802977 1795802977.25 -1795802977 17958029"
30ms       2 connect
40ms       1 bytes "77123\n\nid: 1795802977123-7\ndata: 1795802977123456\n\n"
50ms       1 bytes "data: 1970-01-01T00:00:00Z x1795802977 1795802977x 0.1795802977 17958029770 9999999999 2026-13-27T18:09:37Z\n\n"
60ms       2 event message "1795802977" id "1"
`
	const want = `sse-recording 1 2026-11-28T18:09:38.5Z
0s         1 connect GET "/feed?since=1795889378"
0s         1 header Last-Event-Id "1795889377999-0"
10ms       1 status 200
10ms       1 header Date "Sat, 28 Nov 2026 18:09:38 GMT"
10ms       1 header Expires "Thu, 01 Jan 1970 00:00:00 GMT"
20ms       1 bytes "data: 2026-11-28T18:09:38.123Z 2026-11-28 19:09:38+01:00 2026-11-2"
30ms       1 bytes "9T00:00:00z|1795889378 1795889378.25 -1795802977 17958893"
30ms       2 connect
40ms       1 bytes "78123\n\nid: 1795889378123-7\ndata: 1795889378123456\n\n"
50ms       1 bytes "data: 1970-01-01T00:00:00Z x1795802977 1795802977x 0.1795802977 17958029770 9999999999 2026-13-27T18:09:37Z\n\n"
60ms       2 bytes "id: 1\ndata: 1795889378\n\n"
`
	r := read(t, text)
	require.Equal(t, int64(1795802977), r.Start.Unix())
	require.NoError(t, Restamp(r, r.Start.Add(24*time.Hour+1200*time.Millisecond)))
	require.Equal(t, want, write(t, r))
	require.Error(t, Restamp(read(t, three), time.Now()))
}

// TestFaults: parts are flushed one by one, and only the requests that are named are refused.
func TestFaults(t *testing.T) {
	play := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "abcdefg")
	})
	srv := httptest.NewServer(Refuse(Split(play, 3), map[int64]int{2: 503, 3: 404}))
	defer srv.Close()
	var got []string
	for range 4 {
		resp, err := http.Get(srv.URL)
		require.NoError(t, err)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		got = append(got, fmt.Sprintf("%d %s", resp.StatusCode, b))
	}
	require.Equal(t, []string{"200 abcdefg", "503 Service Unavailable\n", "404 Not Found\n", "200 abcdefg"}, got)

	w := &parts{httptest.NewRecorder(), nil}
	Split(play, 3).ServeHTTP(w, nil)
	require.Equal(t, []string{"abc", "", "def", "", "g", ""}, w.written)
}

// parts notes what is written, and each Flush as an empty part.
type parts struct {
	*httptest.ResponseRecorder
	written []string
}

func (p *parts) Write(b []byte) (int, error) {
	p.written = append(p.written, string(b))
	return len(b), nil
}

func (p *parts) Flush() { p.written = append(p.written, "") }
