package lean_test

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
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/lean"
)

// TestArrived: a Read returns what has arrived of a chunk, however large its slice is.
func TestArrived(t *testing.T) {
	in(t, "", func(t *testing.T) {
		w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
			_, err := io.WriteString(conn, ok+"Transfer-Encoding: chunked\r\n\r\nfffff\r\nfirst")
			for i := 0; err == nil; i++ {
				time.Sleep(time.Hour)
				_, err = fmt.Fprintf(conn, "event %d", i)
			}
		})
		resp, err := transport(w.DialContext).RoundTrip(get(t))
		require.NoError(t, err)
		start, buf := time.Now(), make([]byte, 32<<10)
		for i, want := range []string{"first", "event 0", "event 1", "event 2"} {
			n, err := resp.Body.Read(buf)
			require.NoError(t, err)
			require.Equal(t, want, string(buf[:n]))
			require.Equal(t, time.Duration(i)*time.Hour, time.Since(start))
		}
		require.NoError(t, resp.Body.Close())
	})
}

// TestCancel ends the context at each moment of a request.
func TestCancel(t *testing.T) {
	dials := func(conn net.Conn, err error) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			if conn == nil && err == nil {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return conn, err
		}
	}
	silent := func(net.Conn, *http.Request) { time.Sleep(24 * time.Hour) }
	for name, test := range map[string]struct {
		respond func(net.Conn, *http.Request)
		dial    func(context.Context, string, string) (net.Conn, error)
		url     string
		proxy   bool
		body    bool // it is the Read of the body that ends
	}{
		"while it dials":                     {dial: dials(nil, nil)},
		"in the TLS handshake":               {respond: silent, url: "https://memnet/", dial: nil},
		"while the proxy connects":           {respond: silent, url: "https://memnet/", proxy: true},
		"before the header":                  {respond: silent},
		"in the header":                      {respond: func(conn net.Conn, _ *http.Request) { io.WriteString(conn, "HTTP/1.1 200 OK\r\nX"); untilLeft(conn) }},
		"in the body, before the first byte": {respond: func(conn net.Conn, _ *http.Request) { io.WriteString(conn, ok+"\r\n"); untilLeft(conn) }, body: true},
		"in the body, in the line of a chunk": {respond: func(conn net.Conn, _ *http.Request) {
			io.WriteString(conn, ok+"Transfer-Encoding: chunked\r\n\r\n5;")
			untilLeft(conn)
		}, body: true},
		"in the body, of which all has arrived": {respond: func(conn net.Conn, _ *http.Request) {
			io.WriteString(conn, ok+"Content-Length: 5\r\n\r\nevent")
			untilLeft(conn)
		}, body: true},
	} {
		in(t, name, func(t *testing.T) {
			tr := new(lean.Transport)
			tr.TLSHandshakeTimeout = 24 * time.Hour
			l := memnet.Listen()
			defer l.Close()
			tr.DialContext = test.dial
			if test.dial == nil {
				tr.DialContext = l.DialContext
			}
			left := make(chan time.Duration, 1)
			start := time.Now()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if test.url == "" {
					_, _ = http.ReadRequest(bufio.NewReader(conn))
				}
				go test.respond(conn, nil)
				untilLeft(conn)
				left <- time.Since(start)
			}()
			if test.proxy {
				tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy"})
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Minute, func() { cancel(errCaller) })
			req := get(t).WithContext(ctx)
			if test.url != "" {
				req.URL, _ = url.Parse(test.url)
			}
			resp, err := tr.RoundTrip(req)
			if test.body {
				require.NoError(t, err)
				defer resp.Body.Close()
				if name == "in the body, of which all has arrived" {
					time.Sleep(2 * time.Minute)
				}
				_, err = resp.Body.Read(make([]byte, 10))
			}
			require.Equal(t, errCaller, err)
			if test.dial == nil {
				require.Equal(t, time.Minute, <-left, "the server sees at once that its client has left")
			}
			time.Sleep(48 * time.Hour) // for the handlers
		})
	}
}

// TestNoGoroutine: an open stream has no goroutine but its server's, and the end of its
// context closes it anyway.
func TestNoGoroutine(t *testing.T) {
	in(t, "", func(t *testing.T) {
		w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
			_, _ = io.WriteString(conn, ok+"\r\n")
			untilLeft(conn)
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 100 {
			resp, err := transport(w.DialContext).RoundTrip(get(t).WithContext(ctx))
			require.NoError(t, err)
			defer resp.Body.Close()
		}
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), before+100, "one for each connection of the server")
		cancel()
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), before)
	})
}

// TestTLS is a stream over TLS, of which HTTP/2 is not offered.
func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	srv.EnableHTTP2, srv.TLS = true, &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	srv.StartTLS()
	defer srv.Close()
	tr := &lean.Transport{TLSClientConfig: srv.Client().Transport.(*http.Transport).TLSClientConfig}
	for range 2 {
		resp, err := (&http.Client{Transport: tr}).Get(srv.URL)
		require.NoError(t, err)
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1", string(got))
		require.Equal(t, "http/1.1", resp.TLS.NegotiatedProtocol)
	}
	_, err := (&http.Client{Transport: new(lean.Transport)}).Get(srv.URL)
	require.ErrorContains(t, err, "certificate")
	_, err = (&http.Client{Transport: tr}).Get(strings.Replace(srv.URL, "https", "http", 1))
	require.NoError(t, err, "net/http answers 400")
}
