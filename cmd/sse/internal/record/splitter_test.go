package record

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// seen notes what a splitter finds.
type seen struct {
	parts []string
	whole strings.Builder // of the body
}

func (s *seen) head(_ time.Time, h *head) {
	text := fmt.Sprint(h.code, " ", framings[h.framing])
	for _, f := range h.fields {
		text += "|" + f.name + "=" + f.value
	}
	s.parts = append(s.parts, text)
}

func (s *seen) bytes(_ time.Time, p []byte, boundary bool) {
	s.whole.Write(p)
	if boundary {
		s.parts = append(s.parts, s.whole.String())
		s.whole.Reset()
	}
}

func (s *seen) end(time.Time) { s.parts = append(s.parts, "end") }

// TestSplitter: what responses are, in one read and byte by byte.
func TestSplitter(t *testing.T) {
	for _, test := range []struct {
		name, sent string
		want       []string
		rest       string // of the body, without a boundary
		closed     bool   // the end of the connection ends it
	}{
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-a:  b \r\n\r\n3;e=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
			[]string{"200 chunked|Transfer-Encoding=chunked|X-a=b", "abc", "0123456789", "end"}, "", false},
		{"a chunk that is cut", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n4\r\nab", []string{"200 chunked|transfer-encoding=Chunked", "abc"}, "ab", false},
		{"a length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP", []string{"200 length|Content-Length=3", "end"}, "abc", false},
		{"no length", "HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", []string{"503 length|Content-Length=0", "end"}, "", false},
		{"until it is closed", "HTTP/1.0 200 OK\n\nabc", []string{"200 close"}, "abc", true},
		{"nothing until it is closed", "HTTP/1.0 200 OK\n\n", []string{"200 close"}, "", true},
		{"chunks of HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n", []string{"200 close|Transfer-Encoding=chunked"}, "3\r\n", true},
		{"without a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde", []string{"204 |Content-Length=5", "end"}, "", false},
		{"interim responses", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 304 N\r\nC: d\r\n\r\n", []string{"304 |C=d", "end"}, "", false},
		{"a folded field", "HTTP/1.1 200 OK\r\nA: b\r\n\t c\r\n\r\n", []string{"200 close|A=b c"}, "", true},
		{"another protocol", "HTTP/1.1 101 Switching\r\n\r\nabc", nil, "", false},
		{"no HTTP", "SSH-2.0\r\n\r\nabc", nil, "", false},
		{"no chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nabc", []string{"200 chunked|Transfer-Encoding=chunked"}, "", false},
		{"a negative chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc", []string{"200 chunked|Transfer-Encoding=chunked"}, "", false},
		{"a header without an end", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 2*maxHeader), nil, "", false},
		{"a header of many lines", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", maxHeader/900) + "\r\nabc", nil, "", false},
	} {
		for _, n := range []int{1, 2, 7, 1 << 22} {
			got := new(seen)
			s := &splitter{out: got, method: "GET"}
			for rest := []byte(test.sent); len(rest) > 0; {
				part := rest[:min(n, len(rest))]
				s.write(time.Time{}, part)
				rest = rest[len(part):]
			}
			require.Equal(t, test.want, got.parts, "%s, %d", test.name, n)
			require.Equal(t, test.rest, got.whole.String(), "%s, %d", test.name, n)
			require.Equal(t, test.closed, s.closed(), test.name)
			if n < 1<<10 { // as a transport reads
				require.LessOrEqual(t, len(s.line), maxHeader+n, test.name)
			}
		}
	}
	got := new(seen)
	(&splitter{out: got, method: "HEAD"}).write(time.Time{}, []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nabc"))
	require.Equal(t, []string{"200 |Transfer-Encoding=chunked", "end"}, got.parts)
}
