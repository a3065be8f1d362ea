package capture

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const pause = 300 * time.Millisecond

// raw serves connections that are answered with parts of text, with pauses between them.
func raw(t *testing.T, parts ...string) Request {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				for i, part := range parts {
					if i > 0 {
						time.Sleep(pause)
					}
					if _, err := io.WriteString(conn, part); err != nil {
						return
					}
				}
			}()
		}
	}()
	return request(t, "http://"+ln.Addr().String())
}

func request(t *testing.T, rawURL string) Request {
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	return Request{Name: "test", URL: u, Method: http.MethodGet, Header: http.Header{}, TLS: &tls.Config{InsecureSkipVerify: true}}
}

// view makes the request and returns what was seen at the end of the response.
func view(t *testing.T, req Request) View {
	x := Start(t.Context(), time.Now(), req)
	select {
	case <-x.Done():
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	return x.View()
}

// TestArrival: a byte's time is that of its arrival, whatever frames it is in, and in the
// middle of a chunk that is not complete.
func TestArrival(t *testing.T) {
	const header = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	for _, c := range []struct {
		name  string
		parts []string
	}{
		{"within a chunk", []string{header + "Transfer-Encoding: chunked\r\n\r\na\r\n01234", "56789\r\n0\r\n\r\n"}},
		{"a chunk each", []string{header + "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n", "5\r\n56789\r\n0\r\n\r\n"}},
		{"an extension of a chunk", []string{header + "Transfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("x", 100) + "\r\n01234\r\n", "5\r\n56789\r\n0\r\n\r\n"}},
		{"a length", []string{header + "Content-Length: 10\r\n\r\n01234", "56789"}},
		{"until the connection closes", []string{header + "\r\n01234", "56789"}},
		{"after an interim response", []string{"HTTP/1.1 103 Early Hints\r\n\r\n" + header + "\r\n01234", "56789"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := view(t, raw(t, c.parts...))
			require.NoError(t, v.Err)
			require.Equal(t, "0123456789", string(v.Body))
			arrived(t, v)
			assert.True(t, v.Ended)
		})
	}
	for name, secure := range map[string]func(*httptest.Server){
		"TLS":    func(s *httptest.Server) { s.StartTLS() },
		"HTTP/2": func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, "01234")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(pause)
				fmt.Fprint(w, "56789")
			}))
			secure(srv)
			defer srv.Close()
			req := request(t, srv.URL)
			req.HTTP2 = name == "HTTP/2"
			v := view(t, req)
			require.NoError(t, v.Err)
			require.Equal(t, "0123456789", string(v.Body))
			arrived(t, v)
			assert.Equal(t, req.HTTP2, v.Response.ProtoMajor == 2)
		})
	}
}

// arrived requires that the sixth byte came after the pause, and those around it together.
func arrived(t *testing.T, v View) {
	t.Helper()
	assert.Equal(t, v.At(0), v.At(4))
	assert.Greater(t, v.At(5)-v.At(4), pause/2)
	assert.Equal(t, v.At(5), v.At(9))
	assert.Greater(t, v.Longest, pause/2)
	assert.LessOrEqual(t, v.Header, v.At(0))
	assert.LessOrEqual(t, v.Sent, v.Header)
	assert.LessOrEqual(t, v.Connected, v.Sent)
}

// TestBounded: no header and no interim responses without end.
func TestBounded(t *testing.T) {
	v := view(t, raw(t, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 1100)))
	require.ErrorContains(t, v.Err, "larger than")
	v = view(t, raw(t, strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20)))
	require.ErrorContains(t, v.Err, "interim")
	defer func(before int) { maxBody = before }(maxBody)
	maxBody = 1 << 20
	v = view(t, raw(t, "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", maxBody+100)))
	assert.Len(t, v.Body, maxBody)
	assert.EqualValues(t, maxBody+100, v.Size)
}

// TestStop: what we end has not ended by itself.
func TestStop(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	x := Start(t.Context(), time.Now(), request(t, srv.URL))
	for x.View().Response == nil {
		time.Sleep(time.Millisecond)
	}
	x.Stop()
	v := x.View()
	assert.True(t, v.Stopped)
	assert.False(t, v.Ended)
	assert.NoError(t, v.Err)
}
