package lean_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/lean"
)

// in runs a test in a bubble, as a subtest.
func in(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// A wire is a network whose server writes what a test says.
type wire struct {
	*memnet.Listener
	mu       sync.Mutex
	requests []*http.Request // as they arrived, without their bodies
}

// serveRaw answers each request, on its connection, with what respond writes, and closes the
// connection when that returns.
func serveRaw(t *testing.T, respond func(conn net.Conn, req *http.Request)) *wire {
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
			serving.Go(func() {
				defer conn.Close()
				req, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				w.mu.Lock()
				w.requests = append(w.requests, req)
				w.mu.Unlock()
				respond(conn, req)
			})
		}
	})
	return w
}

// serveText answers each request with a text, and then closes the connection.
func serveText(t *testing.T, text string) *wire {
	return serveRaw(t, func(conn net.Conn, _ *http.Request) { _, _ = io.WriteString(conn, text) })
}

// serveHandler is net/http's server.
func serveHandler(t *testing.T, h http.HandlerFunc) *memnet.Listener {
	l := memnet.Listen()
	srv := &http.Server{Handler: h}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return l
}

// transport returns a Transport to a server, whatever the host of the URL.
func transport(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *lean.Transport {
	return &lean.Transport{DialContext: dial}
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return req
}

func get(t *testing.T) *http.Request { return request(t, http.MethodGet, "http://memnet/", nil) }

// untilLeft waits until the client has closed the connection.
func untilLeft(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// TestMain fails when a goroutine is left over: a leak is a failure.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	fuzzing := flag.Lookup("test.fuzz").Value.String() != "" // which keeps a goroutine for signals
	if code == 0 && !fuzzing && !settles(before) {
		fmt.Fprintln(os.Stderr, "goroutines were left behind:")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// settles waits for the goroutines that are on their way out.
func settles(want int) bool {
	for range 100 {
		if runtime.NumGoroutine() <= want {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

var noLog = log.New(io.Discard, "", 0)

// serveTLS has each connection served by serve, once its handshake is done.
func serveTLS(t *testing.T, config *tls.Config, serve func(*tls.Conn)) *memnet.Listener {
	l := memnet.Listen()
	var serving sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				s := tls.Server(conn, config)
				if s.Handshake() == nil {
					serve(s)
				}
			})
		}
	})
	return l
}

var errCaller = errors.New("what the caller says")
