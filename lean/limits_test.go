package lean_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/lean"
)

// TestHeaderLimit: the header may have as many bytes as the limit, with the informational
// responses before it.
func TestHeaderLimit(t *testing.T) {
	header := func(size int) string {
		early, end := "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", "\r\n\r\n"
		begin := early + ok + "X: "
		return begin + strings.Repeat("x", size-len(begin)-len(end)) + end
	}
	in(t, "the last byte comes late", func(t *testing.T) {
		text := header(5000)
		w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
			_, _ = io.WriteString(conn, text[:len(text)-1])
			time.Sleep(time.Second)
			_, _ = io.WriteString(conn, text[len(text)-1:])
		})
		tr := transport(w.DialContext)
		tr.MaxResponseHeaderBytes = int64(len(text))
		resp, err := tr.RoundTrip(get(t))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	})
	for _, limit := range []int{0, 5000} {
		in(t, fmt.Sprint(limit), func(t *testing.T) {
			actual := limit
			if limit == 0 {
				actual = 256 << 10
			}
			for _, size := range []int{actual - 1, actual, actual + 1, 10 * actual} {
				w := serveText(t, header(size))
				tr := transport(w.DialContext)
				tr.MaxResponseHeaderBytes = int64(limit)
				resp, err := tr.RoundTrip(get(t))
				if size > actual {
					require.EqualError(t, err, fmt.Sprintf("lean: server response headers exceeded %d bytes", actual))
					continue
				}
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
			}
		})
	}
}

// TestInformational: 1xx responses before the final one are limited in number, and each is
// shown to the trace.
func TestInformational(t *testing.T) {
	early := "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
	for _, n := range []int{0, 1, 99, 100, 101, 1000} {
		in(t, fmt.Sprint(n), func(t *testing.T) {
			w := serveText(t, strings.Repeat(early, n)+ok+"\r\n")
			seen := 0
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				require.Equal(t, http.StatusEarlyHints, code)
				require.Equal(t, textproto.MIMEHeader{"Link": {"x"}}, header)
				seen++
				return nil
			}})
			resp, err := transport(w.DialContext).RoundTrip(get(t).WithContext(ctx))
			if n > 100 {
				require.EqualError(t, err, "lean: more than 100 informational responses")
				return
			}
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, n, seen)
			require.NoError(t, resp.Body.Close())
		})
	}
	in(t, "the trace refuses", func(t *testing.T) {
		w := serveText(t, "HTTP/1.1 100 Continue\r\n\r\n"+early+ok+"\r\n")
		continued := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got100Continue: func() { continued = true },
			Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
				if code == http.StatusEarlyHints {
					return errCaller
				}
				return nil
			},
		})
		_, err := transport(w.DialContext).RoundTrip(get(t).WithContext(ctx))
		require.Equal(t, errCaller, err)
		require.True(t, continued)
	})
}

// TestTimeLimits: each step that waits for a peer has a limit, or none if none was set.
func TestTimeLimits(t *testing.T) {
	silent := func(conn net.Conn, _ *http.Request) { untilLeft(conn) }
	for name, test := range map[string]struct {
		set     func(*lean.Transport)
		url     string
		respond func(net.Conn, *http.Request)
		body    io.Reader
		took    time.Duration
		err     string
	}{
		"the header":                       {set: func(t *lean.Transport) { t.ResponseHeaderTimeout = time.Hour }, respond: silent, took: time.Hour, err: "lean: the response's header took longer than 1h0m0s"},
		"the rest of the header":           {set: func(t *lean.Transport) { t.ResponseHeaderTimeout = time.Hour }, respond: func(c net.Conn, r *http.Request) { io.WriteString(c, ok); silent(c, r) }, took: time.Hour, err: "lean: the response's header took longer than 1h0m0s"},
		"the header after a body":          {set: func(t *lean.Transport) { t.ResponseHeaderTimeout = time.Hour }, respond: silent, body: &slow{left: 60}, took: 2 * time.Hour, err: "lean: the response's header took longer than 1h0m0s"},
		"a TLS handshake":                  {url: "https://memnet/", took: 10 * time.Second, err: "lean: the TLS handshake took longer than 10s"},
		"a TLS handshake, of the caller's": {set: func(t *lean.Transport) { t.TLSHandshakeTimeout = time.Hour }, url: "https://memnet/", took: time.Hour, err: "lean: the TLS handshake took longer than 1h0m0s"},
		"a proxy":                          {set: func(t *lean.Transport) { t.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy"}) }, url: "https://memnet/", respond: silent, took: time.Minute, err: "lean: CONNECT took longer than 1m0s"},
	} {
		in(t, name, func(t *testing.T) {
			w := serveRaw(t, test.respond)
			if test.respond == nil { // TLS, which the server cannot read
				w = serveSilence(t)
			}
			tr := transport(w.DialContext)
			if test.set != nil {
				test.set(tr)
			}
			if test.url == "" {
				test.url = "http://memnet/"
			}
			start := time.Now()
			_, err := tr.RoundTrip(request(t, http.MethodPost, test.url, test.body))
			require.EqualError(t, err, test.err)
			require.Equal(t, test.took, time.Since(start))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var ne net.Error
			require.ErrorAs(t, err, &ne)
			require.True(t, ne.Timeout())
		})
	}
	in(t, "the limit for the header ends with it", func(t *testing.T) {
		w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
			_, _ = io.WriteString(conn, ok+"\r\n")
			time.Sleep(24 * time.Hour)
			_, _ = io.WriteString(conn, "events")
		})
		for _, body := range []io.Reader{nil, strings.NewReader("body"), &slow{left: 120}} {
			tr := transport(w.DialContext)
			tr.ResponseHeaderTimeout = time.Hour
			resp, err := tr.RoundTrip(request(t, http.MethodPost, "http://memnet/", body))
			require.NoError(t, err)
			got, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "events", string(got))
		}
	})
}

// noDeadlines is a connection without deadlines, such as those of SSH tunnels are.
type noDeadlines struct{ net.Conn }

func (noDeadlines) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (noDeadlines) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (noDeadlines) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// TestNoDeadlines: the limits need no deadlines of the connection.
func TestNoDeadlines(t *testing.T) {
	in(t, "", func(t *testing.T) {
		w := serveRaw(t, func(conn net.Conn, req *http.Request) {
			if req.URL.Path == "/answer" {
				_, _ = io.WriteString(conn, ok+"\r\n")
			}
			untilLeft(conn)
		})
		tr := transport(func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := w.DialContext(ctx, network, addr)
			return noDeadlines{conn}, err
		})
		tr.ResponseHeaderTimeout = time.Hour
		_, err := tr.RoundTrip(get(t))
		require.EqualError(t, err, "lean: the response's header took longer than 1h0m0s")
		resp, err := tr.RoundTrip(request(t, http.MethodGet, "http://memnet/answer", nil))
		require.NoError(t, err)
		time.AfterFunc(2*time.Hour, func() { resp.Body.Close() })
		_, err = io.ReadAll(resp.Body)
		require.Equal(t, http.ErrBodyReadAfterClose, err)
		_, err = tr.RoundTrip(request(t, http.MethodGet, "https://memnet/", nil))
		require.Error(t, err)
		require.NotErrorIs(t, err, errors.ErrUnsupported)
	})
}

// slow is a request body of one byte a minute.
type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Minute)
	s.left--
	return copy(p, "x"), nil
}

// TestErrorsAreShort: what a server sends instead of HTTP is quoted, and not all of it.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("é", 10_000)
	for name, test := range map[string]struct{ text, err string }{
		"nothing":          {"", "lean: the server closed the connection without a response: unexpected EOF"},
		"half a header":    {"HTTP/1.1 200 OK\r\nX: 1", "lean: malformed response: unexpected EOF"},
		"another protocol": {"SSH-2.0-OpenSSH_9.2\r\n", `lean: malformed response: malformed HTTP response "SSH-2.0-OpenSSH_9.2"`},
		"a long line":      {long + "\r\n", `lean: malformed response: malformed HTTP response "` + strings.Repeat("é", 70)},
		"a long header":    {"HTTP/1.1 200 OK\r\n" + long + "\r\n\r\n", `lean: malformed response: malformed MIME header`},
		"a long encoding":  {ok + "Transfer-Encoding: " + strings.Repeat("x", 1000) + "\r\n\r\n", `lean: malformed response: unsupported transfer encoding: "` + strings.Repeat("x", 100)},
	} {
		in(t, name, func(t *testing.T) {
			w := serveText(t, test.text)
			_, err := transport(w.DialContext).RoundTrip(get(t))
			require.ErrorContains(t, err, test.err)
			require.Less(t, len(err.Error()), 300)
			if strings.Contains(test.err, "unexpected EOF") {
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
		})
	}
	in(t, "a reset", func(t *testing.T) {
		w := serveRaw(t, func(conn net.Conn, _ *http.Request) { conn.(interface{ Reset() }).Reset() })
		_, err := transport(w.DialContext).RoundTrip(get(t))
		var oe *net.OpError
		require.ErrorAs(t, err, &oe)
	})
	in(t, "a trailer without a colon", func(t *testing.T) {
		w := serveText(t, ok+"Transfer-Encoding: chunked\r\n\r\n0\r\n"+strings.Repeat("x", 1000)+"\r\n\r\n")
		resp, err := transport(w.DialContext).RoundTrip(get(t))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.ErrorContains(t, err, "lean: malformed trailer: ")
		require.Less(t, len(err.Error()), 300)
	})
}

// TestNeverSent: what can never be sent is an error before a connection is made, and the
// request's body is closed.
func TestNeverSent(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("it has dialled") }
	for name, test := range map[string]struct {
		change func(*http.Request)
		err    string
	}{
		"no URL":           {func(r *http.Request) { r.URL = nil }, "lean: invalid request: its URL is nil"},
		"no Header":        {func(r *http.Request) { r.Header = nil }, "lean: invalid request: its Header is nil"},
		"a scheme":         {func(r *http.Request) { r.URL.Scheme = "ftp" }, `lean: unsupported protocol scheme "ftp"`},
		"no host":          {func(r *http.Request) { r.URL.Host = "" }, "lean: the URL has no host"},
		"a method":         {func(r *http.Request) { r.Method = "GET /" }, `lean: invalid method "GET /"`},
		"a name":           {func(r *http.Request) { r.Header["X Y"] = nil }, `lean: invalid header name "X Y"`},
		"an empty name":    {func(r *http.Request) { r.Header[""] = nil }, `lean: invalid header name ""`},
		"a value":          {func(r *http.Request) { r.Header["X"] = []string{"secret\n"} }, `lean: invalid header value of "X"`},
		"DEL in a value":   {func(r *http.Request) { r.Header["X"] = []string{"\x7f"} }, `lean: invalid header value of "X"`},
		"a trailer":        {func(r *http.Request) { r.Trailer = http.Header{"X": {"\x00"}} }, `lean: invalid trailer value of "X"`},
		"what may be sent": {func(r *http.Request) { r.Header["!#$%&'*+-.^_`|~azAZ09"] = []string{"\t é"} }, "it has dialled"},
		"no method":        {func(r *http.Request) { r.Method = "" }, "it has dialled"},
	} {
		t.Run(name, func(t *testing.T) {
			body := &closer{Reader: strings.NewReader("x")}
			req := request(t, http.MethodPost, "http://memnet/", body)
			test.change(req)
			_, err := transport(dial).RoundTrip(req)
			require.EqualError(t, err, test.err)
			require.Eventually(t, body.isClosed, time.Second, time.Millisecond)
		})
	}
}

// TestMalformedChunks: what comes before a malformed chunk is delivered, and then the reason.
func TestMalformedChunks(t *testing.T) {
	extension := func(n int) string { return "1;" + strings.Repeat("x", n) + "\r\n!\r\n" }
	for name, test := range map[string]struct{ chunks, body, err string }{
		"no digits":                     {"\r\n", "", "lean: malformed chunk: its size is no hexadecimal number"},
		"another digit":                 {"1g\r\n!\r\n", "", "lean: malformed chunk: its size is no hexadecimal number"},
		"something after a space":       {"1 1\r\n!\r\n", "", "lean: malformed chunk: its size is no hexadecimal number"},
		"17 digits":                     {"00000000000000001\r\n!\r\n", "", "lean: malformed chunk: its size or its line is too long"},
		"a line that ends in LF":        {"1\n!\r\n", "", "lean: malformed chunk: its line does not end in CRLF"},
		"a line with a CR":              {"1;\rx\r\n!\r\n", "", "lean: malformed chunk: its line does not end in CRLF"},
		"a line of 4096 bytes":          {extension(4092) + "0\r\n\r\n", "!", ""},
		"a line of 4097 bytes":          {extension(4093) + "0\r\n\r\n", "", "lean: malformed chunk: its size or its line is too long"},
		"no CR after the data":          {"1\r\n!\n", "!", "lean: malformed chunk: its data does not end in CRLF"},
		"no LF after the data":          {"1\r\n!\r!", "!", "lean: malformed chunk: its data does not end in CRLF"},
		"extensions":                    {strings.Repeat(extension(1038), 16) + "0\r\n\r\n", strings.Repeat("!", 16), ""}, // 1024 bytes more than fair, each
		"extensions after a fair chunk": {"1\r\n!\r\n" + strings.Repeat(extension(1038), 16) + "0\r\n\r\n", strings.Repeat("!", 17), ""},
		"too many extensions":           {strings.Repeat(extension(1038), 17), strings.Repeat("!", 16), "lean: the chunks are mostly extensions"},
		"a trailer of 4096 bytes":       {"0\r\nX: " + strings.Repeat("x", 4089) + "\r\n\r\n", "", ""},
		"a trailer of 4097 bytes":       {"0\r\nX: " + strings.Repeat("x", 4090) + "\r\n\r\n", "", "lean: the trailer is too long"},
		"a trailer without an end":      {"0\r\n" + strings.Repeat("X: x\r\n", 100_000), "", "lean: the trailer is too long"},
	} {
		in(t, name, func(t *testing.T) {
			w := serveText(t, ok+"Transfer-Encoding: chunked\r\n\r\n"+test.chunks)
			resp, err := transport(w.DialContext).RoundTrip(get(t))
			require.NoError(t, err)
			got, err := io.ReadAll(resp.Body)
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.err)
			}
			require.Equal(t, test.body, string(got))
		})
	}
}
