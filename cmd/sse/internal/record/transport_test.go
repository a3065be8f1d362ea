package record

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/internal/recording"
)

// answer serves connections in a bubble: each request is answered with the next of the texts,
// byte for byte, after which the connection is closed. The last answer is 204.
func answer(t *testing.T, texts ...string) *http.Transport {
	l := memnet.Listen()
	t.Cleanup(func() { l.Close() })
	var n atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				if i := int(n.Add(1)); i <= len(texts) {
					_, _ = io.WriteString(conn, texts[i-1])
				} else {
					_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
				}
			}()
		}
	}()
	tr := &http.Transport{DialContext: l.DialContext}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// TestHostile: whatever a server sends, the recording goes on, and can be read.
func TestHostile(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	for name, test := range map[string]struct{ sent, want string }{
		"nothing":              {"", "1 drop"},
		"no HTTP":              {"\x00\x01\r\n\r\n", "1 drop"},
		"half a header":        {ok, "1 drop"},
		"a huge header":        {ok + "A: " + strings.Repeat("x", 3<<20) + "\r\n\r\ndata: a\n\n", "1 drop"},
		"many fields":          {ok + strings.Repeat("A: b\r\n", 10_000) + "\r\ndata: a\n\n", "1 end"},
		"a bad field":          {ok + "A b: c\r\n\r\ndata: a\n\n", "1 "},
		"a bad status":         {"HTTP/1.1 999 ?\r\n\r\ndata: a\n\n", "1 status 999 close"},
		"a status of four":     {"HTTP/1.1 2000 OK\r\n\r\ndata: a\n\n", "1 "},
		"a body of 204":        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde", "1 status 204"},
		"another protocol":     {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", "1 drop"},
		"chunks without end":   {ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc", "1 "},
		"a huge chunk":         {ok + "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\ndata: a\n\n", `1 bytes "data: a\n\n"`},
		"bad chunks":           {ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc", "1 drop"},
		"a negative length":    {ok + "Content-Length: -1\r\n\r\nabc", "1 "},
		"a length and chunks":  {ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n0\r\n\r\n", `1 bytes "data: a\n\n"`},
		"interim without end":  {strings.Repeat("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", 1000), "1 drop"},
		"bytes of no encoding": {ok + "\r\ndata: \xff\xfe\x00\x1b[2J\n\n", `1 bytes "data: \xff\xfe\x00\x1b[2J\n\n"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			text := follow(t, answer(t, test.sent, ok+"\r\ndata: last\n\n"), time.Hour)
			r, err := recording.Read(strings.NewReader(text))
			require.NoError(t, err, name)
			require.NotEmpty(t, r.Steps)
			require.Contains(t, text, " "+test.want, name)
			switch name {
			case "a body of 204", "a bad status", "a bad field", "another protocol": // they end a stream
			default:
				require.Contains(t, text, `2 bytes "data: last\n\n"`, name)
			}
		})
	}
}

// TestRequest: the request's body is recorded, and a redirect's answer as a connection of its
// own.
func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/" {
				http.Redirect(w, r, "/feed", http.StatusTemporaryRedirect)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: a\n\n")
		}), false)
		var file strings.Builder
		r := New(&file, Options{Redact: true}, func(err error) { t.Error(err) })
		client := &http.Client{Transport: r.Transport(tr)}
		resp, err := client.Post("http://sse.test/", "application/json", strings.NewReader(`{"prompt":"hi","api_key":"hunter2"}`))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		r.Close()
		var lines []string
		for line := range strings.Lines(file.String()) {
			lines = append(lines, strings.TrimSpace(strings.Replace(line, "0s ", "", 1)))
		}
		require.Equal(t, []string{
			"sse-recording 1 2000-01-01T00:00:00Z",
			`1 connect POST "/"`, `1 header Content-Type "application/json"`, "1 body `" + `{"prompt":"hi","api_key":"[redacted]"}` + "`",
			"1 status 307 length", `1 header Content-Length "0"`, `1 header Date "Sat, 01 Jan 2000 00:00:00 GMT"`, `1 header Location "/feed"`, "1 end",
			`2 connect POST "/feed"`, `2 header Content-Type "application/json"`, `2 header Referer "http://sse.test/"`, "2 body `" + `{"prompt":"hi","api_key":"[redacted]"}` + "`",
			"2 status 200 length", `2 header Content-Length "9"`, `2 header Content-Type "text/event-stream"`, `2 header Date "Sat, 01 Jan 2000 00:00:00 GMT"`,
			`2 bytes "data: a\n\n"`, "2 end",
		}, lines)
	})
}

// TestPieces: reads that are close together are a piece, and so is a chunk that is read in
// parts; what comes of a chunk that takes its time is not held back.
func TestPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		defer l.Close()
		parts := []struct {
			pause time.Duration
			text  string
		}{
			{0, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2"},
			{time.Second, "0\r\n0123456789"}, {100 * time.Microsecond, "0123456789"}, {100 * time.Microsecond, "0123456789ab\r\n"},
			{0, "10\r\n0123456789abcdef\r\n5\r\n"},
			{time.Second, "0"}, {time.Second, "12"}, {time.Millisecond, "34\r\n"}, {0, "0\r\n\r\n"},
		}
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			for _, part := range parts {
				time.Sleep(part.pause)
				_, _ = io.WriteString(conn, part.text)
			}
			conn.Close()
		}()
		var file strings.Builder
		r := New(&file, Options{Redact: true}, func(err error) { t.Error(err) })
		tr := &http.Transport{DialContext: l.DialContext}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: r.Transport(tr)}).Get("http://sse.test/")
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		_, text, _ := strings.Cut(file.String(), `event-stream"`+"\n")
		require.Equal(t, `1s         1 bytes "012345678901234567890123456789ab"
1.0002s    1 bytes "0123456789abcdef"
2.0002s    1 bytes "0"
3.0002s    1 bytes "12"
3.0012s    1 bytes "34"
3.0012s    1 end
`, text)
	})
}

// TestTunnel: through a proxy with TLS, where the connection cannot be tapped, a recording has
// what each Read returns.
func TestTunnel(t *testing.T) {
	next := make(chan struct{}, 1)
	origin := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, part := range []string{"data: a\n\n", "data: b\n\n"} {
			fmt.Fprint(w, part)
			w.(http.Flusher).Flush()
			<-next
			time.Sleep(20 * time.Millisecond) // or both would be one piece
		}
	}))
	defer origin.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := net.Dial("tcp", r.Host)
		if r.Method != http.MethodConnect || err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		fmt.Fprint(in, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(out, in); out.Close() }()
		_, _ = io.Copy(in, out)
		in.Close()
	}))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	var file strings.Builder
	r := New(&file, Options{Redact: true}, func(err error) { t.Error(err) })
	transport := r.Transport(&http.Transport{
		Proxy:           http.ProxyURL(through),
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	})
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin.URL, nil)
	require.NoError(t, err)
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for _, want := range []string{"data: a\n", "data: b\n"} {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, want, line)
		_, _ = in.ReadString('\n')
		next <- struct{}{}
	}
	_, err = io.ReadAll(in)
	require.NoError(t, err)
	read, err := recording.Read(strings.NewReader(file.String()))
	require.NoError(t, err)
	require.Contains(t, file.String(), "1 status 200 chunked\n")
	require.Equal(t, `1 bytes "data: a\n\n"|1 bytes "data: b\n\n"|1 end ""`, strings.Join(body(read), "|"))
}

// TestTheirSecrets: a server can have some of its own secrets looked for, and no number of
// them.
func TestTheirSecrets(t *testing.T) {
	r := &redactor{credentials: true}
	r.add("hunter2", "data", "event", "pin")
	const n = maxTheirs + 50
	for i := range n {
		r.addResponse(http.Header{"Set-Cookie": {fmt.Sprintf("session=hunter-number-%d", i)}, "X-Token": {strings.Repeat("x", maxSecret+1)}})
	}
	require.Len(t, r.known(), maxTheirs+1)
	require.Equal(t, "[redacted] [redacted] hunter-number-3", r.text(fmt.Sprint("hunter2 hunter-number-", n-1, " hunter-number-3")))
}
