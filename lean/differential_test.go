package lean_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/lean"
)

// An outcome is what a client sees of a response.
type outcome struct {
	Head     bool // there was one
	Status   string
	Proto    string
	Header   http.Header
	Trailer  http.Header
	Length   int64
	Encoding []string
	Body     string
	Clean    bool // the body ended without an error
}

// meet has a transport meet a server that answers with a text, and closes the connection.
func meet(t *testing.T, transport func(dial func(context.Context, string, string) (net.Conn, error)) http.RoundTripper, method, text string) (o outcome) {
	served := make(chan struct{})
	rt := transport(func(context.Context, string, string) (net.Conn, error) {
		client, server := memnet.Pipe()
		go func() {
			defer close(served)
			defer server.Close()
			if _, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
				_, _ = io.WriteString(server, text)
			}
		}()
		return client, nil
	})
	resp, err := rt.RoundTrip(request(t, method, "http://memnet/", nil))
	if err != nil {
		<-served
		return outcome{}
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	<-served
	return outcome{
		Head: true, Status: resp.Status, Proto: resp.Proto, Header: resp.Header, Trailer: resp.Trailer,
		Length: resp.ContentLength, Encoding: resp.TransferEncoding, Body: string(body), Clean: err == nil,
	}
}

func overNetHTTP(dial func(context.Context, string, string) (net.Conn, error)) http.RoundTripper {
	return &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true}
}

func overLean(dial func(context.Context, string, string) (net.Conn, error)) http.RoundTripper {
	return &lean.Transport{DialContext: dial}
}

// compare requires that lean and net/http see the same of a response. Only how much of a
// broken body comes before its error may differ.
func compare(t *testing.T, method, text string) {
	if strings.Count(text, "HTTP/1") > 50 {
		t.Skip("lean limits the number of informational responses")
	}
	theirs := meet(t, overNetHTTP, method, text)
	if strings.HasPrefix(theirs.Status, "101") {
		t.Skip("net/http gives the connection to its caller")
	}
	ours := meet(t, overLean, method, text)
	if !theirs.Clean && !ours.Clean && (strings.HasPrefix(ours.Body, theirs.Body) || strings.HasPrefix(theirs.Body, ours.Body)) {
		ours.Body, ours.Trailer = theirs.Body, theirs.Trailer
	}
	require.Equal(t, theirs, ours)
}

// responses are what the differential test and the fuzz target begin with.
func responses(t testing.TB) (all []string) {
	files, err := filepath.Glob("../testdata/hostile/*.http")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(all, string(text))
	}
	for _, f := range framings {
		all = append(all, f.response)
	}
	chunked := ok + "Transfer-Encoding: chunked\r\n\r\n"
	all = append(all,
		"", "\r\n", "HTTP/1.1", "HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 OK\n\nevents", "HTTP/1.1  200  OK\r\n\r\nevents",
		"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 -20 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\nevents", "ICY 200 OK\r\n\r\nevents",
		"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n"+ok+"\r\nevents", "HTTP/1.1 199 ?\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		ok+" folded: 1\r\n\r\nevents", ok+"X: 1\r\n folded\r\n\r\nevents", ok+"X : 1\r\n\r\nevents", ok+": 1\r\n\r\nevents", ok+"X: \x01\r\n\r\nevents", ok+"X: a\rb\r\n\r\nevents",
		ok+"Content-Length: +6\r\n\r\nevents", ok+"Content-Length: 6, 6\r\n\r\nevents", ok+"Content-Length: -1\r\n\r\nevents", ok+"Content-Length:\r\n\r\nevents", ok+"Content-Length: 0x6\r\n\r\nevents",
		ok+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ok+"Transfer-Encoding: identity\r\n\r\nevents", ok+"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", ok+"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		ok+"Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n", ok+"Transfer-Encoding: chunked\r\nTrailer: X, Y\r\n\r\n0\r\nX: 1\r\nZ: 2\r\n\r\n", ok+"Pragma: no-cache\r\n\r\n",
	)
	for _, body := range []string{
		"", "\r\n", "6\nevents\r\n0\r\n\r\n", "6\r\nevents\n0\r\n\r\n", "6\r\nevents\r\n0\n\r\n", "6\r\nevents\r\n0\r\n\n", "6\r\r\nevents\r\n", "6\rx\nevents\r\n",
		" 6\r\nevents\r\n0\r\n\r\n", "6 ;x\r\nevents\r\n0\r\n\r\n", "6; x\ry\r\nevents\r\n0\r\n\r\n", ";x\r\n", "6 6\r\nevents\r\n", "+6\r\nevents\r\n", "0x6\r\nevents\r\n", "6_\r\nevents\r\n", "g\r\n",
		"0000000000000006\r\nevents\r\n0\r\n\r\n", "00000000000000006\r\nevents\r\n0\r\n\r\n", "7fffffffffffffff\r\nevents", "8000000000000000\r\nevents", "ffffffffffffffff\r\nevents",
		"0\r\n\r", "0\r\nX", "0\r\nX: 1\r\n", "0\r\nX: 1\r\n\r", "0\r\nX: 1\n\n", "0\r\nX: 1\n\nY: 2\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\n X: 1\r\n\r\n", "0\r\nX: 1\r\n\r\nmore",
		"0;" + strings.Repeat("x", 4091) + "\r\n\r\n", "0;" + strings.Repeat("x", 4092) + "\r\n\r\n", "0;" + strings.Repeat("x", 4093) + "\r\n\r\n",
		"0\r\nX: " + strings.Repeat("x", 4089) + "\r\n\r\n", "0\r\nX: " + strings.Repeat("x", 4090) + "\r\n\r\n",
		strings.Repeat("1;"+strings.Repeat("x", 1015)+"\r\ny\r\n", 17) + "0\r\n\r\n", strings.Repeat("1;"+strings.Repeat("x", 1015)+"\r\ny\r\n", 16) + "0\r\n\r\n",
		strings.Repeat("1\r\nx\r\n", 10_000) + "0\r\n\r\n",
	} {
		all = append(all, chunked+body)
	}
	return all
}

// TestLikeNetHTTP meets responses that are right, and responses that are not.
func TestLikeNetHTTP(t *testing.T) {
	for _, text := range slices.Compact(responses(t)) {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			t.Run(method+" "+text[:min(len(text), 200)], func(t *testing.T) { compare(t, method, text) })
		}
	}
}

// FuzzResponse has net/http as its oracle.
func FuzzResponse(f *testing.F) {
	for _, text := range responses(f) {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		compare(t, method, text)
	})
}
