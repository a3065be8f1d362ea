package record

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// whole notes what a splitter finds, without its pieces.
type whole struct {
	code  int
	body  []byte
	ended bool
}

func (w *whole) head(_ time.Time, h *head)               { w.code = h.code }
func (w *whole) bytes(_ time.Time, p []byte, bound bool) { w.body = append(w.body, p...) }
func (w *whole) end(time.Time)                           { w.ended = true }

// FuzzSplitter: what net/http accepts as a response, the splitter reads alike, in one read and
// byte by byte.
func FuzzSplitter(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n3;x=y\r\nabc\r\n0\r\nT: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ndata: a\n\nHTTP/1.1 ",
		"HTTP/1.0 200 OK\nA: b\n c\n\ndata: a\n\n",
		"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		in := bufio.NewReader(bytes.NewReader(sent))
		req := &http.Request{Method: http.MethodGet}
		resp, err := http.ReadResponse(in, req)
		for err == nil && resp.StatusCode >= 100 && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			resp, err = http.ReadResponse(in, req)
		}
		if err != nil || resp.StatusCode < 200 || !strings.HasPrefix(resp.Proto, "HTTP/1.") {
			return
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return
		}
		for _, n := range []int{len(sent), 1} {
			got := new(whole)
			s := &splitter{out: got, method: http.MethodGet}
			for rest := sent; len(rest) > 0; rest = rest[min(n, len(rest)):] {
				s.write(time.Time{}, rest[:min(n, len(rest))])
			}
			require.Equal(t, resp.StatusCode, got.code)
			require.Equal(t, string(body), string(got.body))
			require.True(t, got.ended || s.closed())
		}
	})
}
