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
	"net/http/httptrace"
	"net/url"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
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
			time.AfterFunc(30*time.Second, func() { cancel(errCaller) })
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
				require.Equal(t, 30*time.Second, <-left, "the server sees at once that its client has left")
			}
			time.Sleep(48 * time.Hour) // for the handlers
		})
	}
}

// TestNoGoroutine: an open stream has no goroutine but its reader's, and the end of its
// context closes it anyway.
func TestNoGoroutine(t *testing.T) {
	in(t, "", func(t *testing.T) {
		var left atomic.Int64
		w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
			_, _ = io.WriteString(conn, ok+"\r\n")
			untilLeft(conn)
			left.Add(1)
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for i := range 20 {
			var body io.Reader
			if i%2 == 0 {
				body = strings.NewReader("body")
			}
			resp, err := transport(w.DialContext).RoundTrip(request(t, http.MethodPost, "http://memnet/", body).WithContext(ctx))
			require.NoError(t, err)
			defer resp.Body.Close()
		}
		synctest.Wait()
		var stacks strings.Builder
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&stacks, 2))
		require.Contains(t, stacks.String(), "lean_test.TestNoGoroutine")
		require.NotContains(t, stacks.String(), "lean.(")
		require.Zero(t, left.Load())
		cancel()
		synctest.Wait()
		require.EqualValues(t, 20, left.Load())
	})
}

// TestClose: a Close ends a Read that is waiting, may come twice and from anywhere, and the
// server sees it at once.
func TestClose(t *testing.T) {
	in(t, "", func(t *testing.T) {
		left := make(chan time.Duration, 1)
		start := time.Now()
		w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
			_, _ = io.WriteString(conn, ok+"Content-Length: 10\r\n\r\nevent")
			untilLeft(conn)
			left <- time.Since(start)
		})
		resp, err := transport(w.DialContext).RoundTrip(get(t))
		require.NoError(t, err)
		time.AfterFunc(time.Hour, func() { require.NoError(t, resp.Body.Close()) })
		got, err := io.ReadAll(resp.Body)
		require.Equal(t, http.ErrBodyReadAfterClose, err)
		require.Equal(t, "event", string(got))
		require.Equal(t, time.Hour, <-left)
		require.NoError(t, resp.Body.Close())
		_, err = resp.Body.Read(make([]byte, 1))
		require.Equal(t, http.ErrBodyReadAfterClose, err)
	})
	in(t, "with bytes that nobody has read", func(t *testing.T) {
		w := serveText(t, ok+"\r\nevents")
		resp, err := transport(w.DialContext).RoundTrip(get(t))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		_, err = resp.Body.Read(make([]byte, 1))
		require.Equal(t, http.ErrBodyReadAfterClose, err)
	})
}

// A watched context counts who waits for its end.
type watched struct {
	context.Context
	waiting, ever atomic.Int64
}

// Value hides the context within, of which package context would make use itself.
func (w *watched) Value(any) any { return nil }

// AfterFunc is what package context looks for.
func (w *watched) AfterFunc(f func()) func() bool {
	w.waiting.Add(1)
	w.ever.Add(1)
	stop := context.AfterFunc(w.Context, f)
	return func() bool { w.waiting.Add(-1); return stop() }
}

// TestEndCloses: the end of a body closes the connection without a Close, and nothing waits
// for the end of the context any more.
func TestEndCloses(t *testing.T) {
	for name, response := range map[string]string{
		"no body":   "HTTP/1.1 204 No Content\r\n\r\n",
		"a length":  ok + "Content-Length: 5\r\n\r\nevent",
		"chunks":    ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n0\r\n\r\n",
		"malformed": ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nevent!",
	} {
		in(t, name, func(t *testing.T) {
			left := false
			w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
				_, _ = io.WriteString(conn, response)
				untilLeft(conn)
				left = true
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			seen := &watched{Context: ctx}
			resp, err := transport(w.DialContext).RoundTrip(get(t).WithContext(seen))
			require.NoError(t, err)
			_, _ = io.ReadAll(resp.Body)
			synctest.Wait()
			require.True(t, left)
			require.NotZero(t, seen.ever.Load())
			require.Zero(t, seen.waiting.Load())
			resp.Body.Close()
		})
	}
}

// TestContextOutlivesBody: the end of a context that is longer than the body's changes nothing.
func TestContextOutlivesBody(t *testing.T) {
	in(t, "", func(t *testing.T) {
		w := serveText(t, ok+"\r\nevents")
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := transport(w.DialContext).RoundTrip(get(t).WithContext(ctx))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
		cancel()
		synctest.Wait()
		_, err = resp.Body.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
	})
}

// TestDialIgnoresContext: a RoundTrip ends with its context, and a connection that is made
// later is closed.
func TestDialIgnoresContext(t *testing.T) {
	in(t, "", func(t *testing.T) {
		client, server := memnet.Pipe()
		tr := transport(func(context.Context, string, string) (net.Conn, error) {
			time.Sleep(time.Hour)
			return client, nil
		})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errCaller)
		defer cancel()
		body := &closer{Reader: strings.NewReader("body")}
		start := time.Now()
		_, err := tr.RoundTrip(request(t, http.MethodPost, "http://memnet/", body).WithContext(ctx))
		require.Equal(t, errCaller, err)
		require.Equal(t, time.Minute, time.Since(start))
		untilLeft(server)
		require.Equal(t, time.Hour, time.Since(start))
		synctest.Wait()
		require.True(t, body.isClosed())
	})
	in(t, "which has ended before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errCaller)
		_, err := transport(nil).RoundTrip(get(t).WithContext(ctx))
		require.Equal(t, errCaller, err)
	})
}

// TestTrace: the hooks of httptrace are called in net/http's order.
func TestTrace(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	trace := func(rt http.RoundTripper) (calls []string) {
		var mu sync.Mutex
		call := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, name)
		}
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GetConn:           func(hostPort string) { call("GetConn " + hostPort) },
			GotConn:           func(info httptrace.GotConnInfo) { call(fmt.Sprintf("GotConn %T %t", info.Conn, info.Reused)) },
			ConnectStart:      func(_, addr string) { call("ConnectStart " + addr) },
			ConnectDone:       func(_, addr string, err error) { call(fmt.Sprint("ConnectDone ", addr, err)) },
			TLSHandshakeStart: func() { call("TLSHandshakeStart") },
			TLSHandshakeDone: func(state tls.ConnectionState, err error) {
				call(fmt.Sprint("TLSHandshakeDone ", state.HandshakeComplete, err))
			},
			WroteHeaderField:     func(key string, _ []string) { call("WroteHeaderField " + key) },
			WroteHeaders:         func() { call("WroteHeaders") },
			WroteRequest:         func(info httptrace.WroteRequestInfo) { call(fmt.Sprint("WroteRequest ", info.Err)) },
			GotFirstResponseByte: func() { call("GotFirstResponseByte") },
		})
		resp, err := rt.RoundTrip(request(t, http.MethodGet, srv.URL, nil).WithContext(ctx))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return calls
	}
	config := srv.Client().Transport.(*http.Transport).TLSClientConfig
	want := trace(&http.Transport{TLSClientConfig: config, DisableCompression: true})
	require.Len(t, want, 11)
	require.Equal(t, want, trace(&lean.Transport{TLSClientConfig: config}))
}

// TestBrokenConnections: connections that return nothing for ever, and none at all.
func TestBrokenConnections(t *testing.T) {
	for name, test := range map[string]struct {
		conn net.Conn
		err  string
	}{
		"nil":         {nil, "lean: DialContext returned neither a connection nor an error"},
		"empty reads": {emptyReads{}, io.ErrNoProgress.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := transport(func(context.Context, string, string) (net.Conn, error) { return test.conn, nil }).RoundTrip(get(t))
			require.EqualError(t, err, test.err)
		})
	}
}

type emptyReads struct{ net.Conn }

func (emptyReads) Read([]byte) (int, error)    { return 0, nil }
func (emptyReads) Write(p []byte) (int, error) { return len(p), nil }
func (emptyReads) Close() error                { return nil }
