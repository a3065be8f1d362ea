package lean_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/lean"
)

// A closer is a request body that remembers that it was closed.
type closer struct {
	io.Reader
	mu     sync.Mutex
	closed bool
}

func (c *closer) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

func (c *closer) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// serveSilence accepts connections, and neither reads nor writes.
func serveSilence(t *testing.T) *wire {
	w := &wire{Listener: memnet.Listen()}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		w.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := w.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	})
	return w
}

// TestRequestBodies are sent as net/http sends them.
func TestRequestBodies(t *testing.T) {
	for name, make := range map[string]func(*http.Request){
		"none":                 func(*http.Request) {},
		"none, with headers":   func(r *http.Request) { r.Header.Set("Last-Event-ID", "é"); r.Header.Set("User-Agent", "me") },
		"none, of a host":      func(r *http.Request) { r.Host = "other"; r.Header.Set("Connection", "close") },
		"none, and it closes":  func(r *http.Request) { r.Close = true },
		"of a known length":    func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("body")), 4 },
		"of an unknown length": func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("body")), -1 },
		"that is empty":        func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 },
		"that is large": func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20))), 1<<20
		},
		"with trailers": func(r *http.Request) {
			r.Body, r.ContentLength, r.Trailer = io.NopCloser(strings.NewReader("body")), -1, http.Header{"X": {"1"}}
		},
		"with a trailer whose value comes late": func(r *http.Request) {
			r.Trailer = http.Header{"X": nil}
			r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("body"), atEnd(func() { r.Trailer.Set("X", "late") }))), -1
		},
		"expected": func(r *http.Request) {
			r.Header.Set("Expect", "100-continue")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("body")), 4
		},
	} {
		in(t, name, func(t *testing.T) {
			var sent [2]bytes.Buffer
			for i, over := range []func(func(context.Context, string, string) (net.Conn, error)) http.RoundTripper{
				func(dial func(context.Context, string, string) (net.Conn, error)) http.RoundTripper {
					return &http.Transport{DialContext: dial, DisableCompression: true}
				}, overLean,
			} {
				l := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
					body, err := io.ReadAll(r.Body)
					require.NoError(t, err)
					r.Body = io.NopCloser(bytes.NewReader(body))
					require.NoError(t, r.Write(&sent[i]))
				})
				req := request(t, http.MethodPost, "http://user:pass@memnet/path?q#f", nil)
				make(req)
				body := &closer{}
				if req.Body != nil {
					body.Reader = req.Body
					req.Body = body
				}
				rt := over(l.DialContext)
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				resp.Body.Close()
				synctest.Wait()
				require.Equal(t, req.Body != nil, body.isClosed())
				if tr, ok := rt.(*http.Transport); ok {
					tr.CloseIdleConnections()
				}
			}
			require.Contains(t, sent[0].String(), " /path?q HTTP/1.1\r\n")
			require.Equal(t, sent[0].String(), sent[1].String())
		})
	}
}

type atEnd func()

func (f atEnd) Read([]byte) (int, error) { f(); return 0, io.EOF }

// TestBodyFails: a request body that fails ends the request with its error.
func TestBodyFails(t *testing.T) {
	for name, test := range map[string]struct {
		body   io.Reader
		length int64
		err    string
	}{
		"it cannot be read":             {io.MultiReader(strings.NewReader("bo"), failing{}), 4, errCaller.Error()},
		"it cannot be read, in chunks":  {io.MultiReader(strings.NewReader("bo"), failing{}), -1, errCaller.Error()},
		"it is shorter than its length": {strings.NewReader("bo"), 4, "http: ContentLength=4 with Body length 2"},
		"it is longer than its length":  {strings.NewReader("bodyx"), 4, "http: ContentLength=4 with Body length 5"},
		"it is not there":               {nil, 4, "http: Request.ContentLength=4 with nil Body"},
	} {
		in(t, name, func(t *testing.T) {
			w := serveRaw(t, func(conn net.Conn, _ *http.Request) { untilLeft(conn) })
			body := &closer{Reader: test.body}
			req := request(t, http.MethodPost, "http://memnet/", body)
			if test.body == nil {
				req.Body = nil
			}
			req.ContentLength = test.length
			_, err := transport(w.DialContext).RoundTrip(req)
			require.EqualError(t, err, test.err)
			synctest.Wait()
			require.Equal(t, req.Body != nil, body.isClosed())
		})
	}
	in(t, "after the response", func(t *testing.T) {
		w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
			_, _ = io.WriteString(conn, ok+"\r\n")
			untilLeft(conn)
		})
		body := io.MultiReader(&slow{left: 2}, failing{})
		resp, err := transport(w.DialContext).RoundTrip(request(t, http.MethodPost, "http://memnet/", body))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.Equal(t, errCaller, err, "the server waits for the rest of it")
	})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCaller }

// TestEarlyResponse: a response may come before the request's body has been sent, and while
// it is sent, and instead of its end.
func TestEarlyResponse(t *testing.T) {
	in(t, "both ways at once", func(t *testing.T) {
		w := serveRaw(t, func(conn net.Conn, req *http.Request) {
			_, _ = io.WriteString(conn, ok+"\r\n")
			_, _ = io.Copy(conn, req.Body)
		})
		r, pipe := io.Pipe()
		resp, err := transport(w.DialContext).RoundTrip(request(t, http.MethodPost, "http://memnet/", r))
		require.NoError(t, err)
		for _, part := range []string{"one", "two"} {
			_, err := io.WriteString(pipe, part)
			require.NoError(t, err)
			buf := make([]byte, 10)
			n, err := resp.Body.Read(buf)
			require.NoError(t, err)
			require.Equal(t, part, string(buf[:n]))
		}
		pipe.Close()
		_, err = resp.Body.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
	})
	for name, hangUp := range map[string]func(*memnet.Conn){
		"and a close": func(c *memnet.Conn) { c.Close() },
		"and silence": func(c *memnet.Conn) { untilLeft(c) },
	} {
		in(t, "a refusal, "+name, func(t *testing.T) {
			w := &wire{Listener: memnet.Listen()}
			defer w.Close()
			go func() {
				conn, _ := w.Accept()
				_, _ = bufio.NewReader(conn).ReadString('\n')
				_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
				hangUp(conn.(*memnet.Conn))
			}()
			body := &closer{Reader: bytes.NewReader(make([]byte, 10<<20))}
			resp, err := transport(w.DialContext).RoundTrip(request(t, http.MethodPost, "http://memnet/", body))
			require.NoError(t, err)
			require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
			got, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "big", string(got))
			synctest.Wait()
			require.True(t, body.isClosed())
		})
	}
	in(t, "a request that cannot be written, and no response", func(t *testing.T) {
		broken := func(context.Context, string, string) (net.Conn, error) {
			client, server := memnet.Pipe()
			go untilLeft(server)
			return brokenWriter{client}, nil
		}
		start := time.Now()
		_, err := transport(broken).RoundTrip(get(t))
		require.Equal(t, errCaller, err)
		require.Equal(t, time.Second, time.Since(start))
	})
}

type brokenWriter struct{ net.Conn }

func (brokenWriter) Write([]byte) (int, error) { return 0, errCaller }

// TestRedirects are http.Client's.
func TestRedirects(t *testing.T) {
	in(t, "", func(t *testing.T) {
		l := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			switch r.URL.Path {
			case "/":
				http.Redirect(w, r, "/307", http.StatusTemporaryRedirect)
			case "/307":
				http.Redirect(w, r, "/end", http.StatusPermanentRedirect)
			default:
				_, _ = io.WriteString(w, r.Method+" "+string(body))
			}
		})
		hc := &http.Client{Transport: transport(l.DialContext), Timeout: time.Minute}
		resp, err := hc.Post("http://memnet/", "text/plain", strings.NewReader("body"))
		require.NoError(t, err)
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "POST body", string(got))
		require.Equal(t, "/end", resp.Request.URL.Path)
	})
}

// TestClientTimeout is http.Client's, for the header and for the body.
func TestClientTimeout(t *testing.T) {
	for name, text := range map[string]string{"the header": "", "the body": ok + "\r\n"} {
		in(t, name, func(t *testing.T) {
			w := serveRaw(t, func(conn net.Conn, _ *http.Request) {
				_, _ = io.WriteString(conn, text)
				untilLeft(conn)
			})
			hc := &http.Client{Transport: transport(w.DialContext), Timeout: time.Minute}
			start := time.Now()
			resp, err := hc.Get("http://memnet/")
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Minute, time.Since(start))
		})
	}
}

// TestInternationalHost: a name is looked up, and sent, in its ASCII form.
func TestInternationalHost(t *testing.T) {
	in(t, "", func(t *testing.T) {
		w := serveText(t, ok+"\r\n")
		var dialled []string
		tr := &lean.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled = append(dialled, network+" "+addr)
			return w.DialContext(ctx, network, addr)
		}}
		for _, url := range []string{"http://bücher.example/", "http://bücher.example:8080/", "http://[::1]/", "http://[::1]:1/", "http://host/"} {
			resp, err := tr.RoundTrip(request(t, http.MethodGet, url, nil))
			require.NoError(t, err)
			resp.Body.Close()
		}
		require.Equal(t, []string{"tcp xn--bcher-kva.example:80", "tcp xn--bcher-kva.example:8080", "tcp [::1]:80", "tcp [::1]:1", "tcp host:80"}, dialled)
		require.Equal(t, "xn--bcher-kva.example", w.requests[0].Host)
		_, err := tr.RoundTrip(request(t, http.MethodGet, "http://xn--é/", nil))
		require.EqualError(t, err, "lean: the host has no ASCII form")
	})
}
