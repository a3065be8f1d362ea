package lean_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

// framings are responses, each complete or cut, before which or after which the connection
// closes.
var framings = map[string]struct {
	method, response string
	body             string
	length           int64
	err              error
}{
	"chunked":                         {response: ok + "Transfer-Encoding: chunked\r\n\r\n6\r\nevents\r\n1\r\n!\r\n0\r\n\r\n", body: "events!", length: -1},
	"chunked, with all that it has":   {response: ok + "Transfer-Encoding: Chunked\r\n\r\n0006 \t\r\nevents\r\n1;a=\"b c\";d \r\n!\r\n00;e\r\nX: y\r\n\r\n", body: "events!", length: -1},
	"chunked, small digits":           {response: ok + "Transfer-Encoding: chunked\r\n\r\naf\r\n" + strings.Repeat("x", 0xaf) + "\r\n0\r\n\r\n", body: strings.Repeat("x", 0xaf), length: -1},
	"chunked, large digits":           {response: ok + "Transfer-Encoding: chunked\r\n\r\nFA\r\n" + strings.Repeat("x", 0xfa) + "\r\n0\r\n\r\n", body: strings.Repeat("x", 0xfa), length: -1},
	"chunked, 5 digits":               {response: ok + "Transfer-Encoding: chunked\r\n\r\n10b0c\r\n" + strings.Repeat("x", 0x10b0c) + "\r\n0\r\n\r\n", body: strings.Repeat("x", 0x10b0c), length: -1},
	"one byte":                        {response: ok + "\r\n!", body: "!", length: -1},
	"chunked, and a length":           {response: ok + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n6\r\nevents\r\n0\r\n\r\n", body: "events", length: -1},
	"chunked, and more after it":      {response: ok + "Transfer-Encoding: chunked\r\n\r\n6\r\nevents\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", body: "events", length: -1},
	"chunked, cut in a size":          {response: ok + "Transfer-Encoding: chunked\r\n\r\n6", length: -1, err: io.ErrUnexpectedEOF},
	"chunked, cut in a chunk":         {response: ok + "Transfer-Encoding: chunked\r\n\r\n6\r\neve", body: "eve", length: -1, err: io.ErrUnexpectedEOF},
	"chunked, cut between chunks":     {response: ok + "Transfer-Encoding: chunked\r\n\r\n6\r\nevents\r\n", body: "events", length: -1, err: io.ErrUnexpectedEOF},
	"chunked, cut before the end":     {response: ok + "Transfer-Encoding: chunked\r\n\r\n6\r\nevents\r\n0\r\n", body: "events", length: -1, err: io.ErrUnexpectedEOF},
	"a length":                        {response: ok + "Content-Length: 6\r\n\r\nevents", body: "events", length: 6},
	"a length, and more after it":     {response: ok + "Content-Length: 6\r\n\r\nevents!", body: "events", length: 6},
	"a length, twice":                 {response: ok + "Content-Length: 6\r\nContent-Length: 6\r\n\r\nevents", body: "events", length: 6},
	"a length, cut":                   {response: ok + "Content-Length: 6\r\n\r\neve", body: "eve", length: 6, err: io.ErrUnexpectedEOF},
	"a length of nothing":             {response: ok + "Content-Length: 0\r\n\r\nevents"},
	"until the connection closes":     {response: ok + "\r\nevents", body: "events", length: -1},
	"HTTP/1.0":                        {response: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nevents", body: "events", length: -1},
	"204":                             {response: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nevents\r\n", length: 0},
	"304":                             {response: "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nevents"},
	"HEAD":                            {method: http.MethodHead, response: ok + "Content-Length: 6\r\n\r\n", length: 6},
	"HEAD, chunked":                   {method: http.MethodHead, response: ok + "Transfer-Encoding: chunked\r\n\r\n", length: -1},
	"101, which nobody has asked for": {response: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nevents"},
}

// TestFramings reads responses of each framing, with the bytes whole and one by one, into
// slices of several sizes.
func TestFramings(t *testing.T) {
	for name, test := range framings {
		for _, bytewise := range []bool{false, true} {
			if bytewise && len(test.response) > 1000 {
				continue
			}
			for _, size := range []int{1, 3, 4096} {
				in(t, name, func(t *testing.T) {
					w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
						for i := range test.response {
							if bytewise {
								time.Sleep(time.Second)
								_, _ = io.WriteString(conn, test.response[i:i+1])
							}
						}
						if !bytewise {
							_, _ = io.WriteString(conn, test.response)
						}
						if test.err == nil && test.length >= 0 {
							untilLeft(conn)
						}
					})
					req := get(t)
					if test.method != "" {
						req.Method = test.method
					}
					resp, err := transport(w.DialContext).RoundTrip(req)
					require.NoError(t, err)
					require.Equal(t, test.length, resp.ContentLength)
					require.Same(t, req, resp.Request)
					var got strings.Builder
					_, err = io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{resp.Body}, make([]byte, size))
					require.Equal(t, test.err, err)
					require.Equal(t, test.body, got.String())
					n, again := resp.Body.Read(make([]byte, 1))
					require.Zero(t, n)
					if err == nil {
						err = io.EOF
					}
					require.Equal(t, err, again)
					require.NoError(t, resp.Body.Close())
					if strings.Contains(test.response, "X: y") {
						require.Equal(t, http.Header{"X": {"y"}}, resp.Trailer)
					}
				})
			}
		}
	}
}

// TestReader is the contract of io.Reader, on a body of many small chunks.
func TestReader(t *testing.T) {
	in(t, "", func(t *testing.T) {
		want := strings.Repeat("data: event\n\n", 500)
		l := serveHandler(t, func(w http.ResponseWriter, _ *http.Request) {
			for i := range len(want) {
				_, _ = io.WriteString(w, want[i:i+1])
				if i%7 == 0 {
					_ = http.NewResponseController(w).Flush()
				}
			}
		})
		resp, err := transport(l.DialContext).RoundTrip(get(t))
		require.NoError(t, err)
		require.NoError(t, iotest.TestReader(resp.Body, []byte(want)))
	})
}
