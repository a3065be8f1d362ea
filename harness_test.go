package sse_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/lean"
)

var overLean = flag.Bool("lean", false, "have the tests use package lean in place of net/http's transport, except for those that need the latter")

// netHTTP returns the transport of a server's client, for a test that needs net/http's.
func (s *server) netHTTP(t testing.TB) *http.Transport {
	if *overLean {
		t.Skip("this test needs net/http's transport")
	}
	return s.client.Transport.(*http.Transport)
}

// A server is net/http's, on an in-memory network.
type server struct {
	*memnet.Listener
	client *http.Client

	mu       sync.Mutex
	requests []request
}

// A request is what the server saw of one.
type request struct {
	*http.Request
	at   time.Duration // since the server started
	body string
}

// serve starts a server, in a bubble, until the test ends: one handler for each request,
// and then 204, which ends the client's stream.
func serve(t testing.TB, handlers ...http.HandlerFunc) *server {
	return serveAll(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n < len(handlers) {
			handlers[n](w, r)
		} else {
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

// serveAll starts a server with one handler for all requests, which n counts from 0.
func serveAll(t testing.TB, handler func(w http.ResponseWriter, r *http.Request, n int)) *server {
	s := &server{Listener: memnet.Listen()}
	start := time.Now()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		n := len(s.requests)
		s.requests = append(s.requests, request{r, time.Since(start), string(body)})
		s.mu.Unlock()
		handler(w, r, n)
	})}
	go srv.Serve(s)
	s.client = &http.Client{Transport: &http.Transport{DialContext: s.DialContext}}
	if *overLean {
		s.client.Transport = http1["lean"](s.DialContext)
	}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		srv.Close()
	})
	return s
}

// skipHTTP2 skips a test in a bubble that needs net/http's HTTP/2 server. Go 1.25's keeps
// channels in a pool, from one bubble to the next; this goes when 1.26 is the oldest Go.
func skipHTTP2(t testing.TB) {
	if strings.HasPrefix(runtime.Version(), "go1.25") {
		t.Skip("net/http's HTTP/2 server does not run in several bubbles before Go 1.26")
	}
}

// useHTTP2 makes the client speak HTTP/2 without TLS.
func (s *server) useHTTP2(t testing.TB) {
	skipHTTP2(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	s.netHTTP(t).Protocols = protocols
}

// lastEventIDs returns the header of each request, "-" where there was none.
func (s *server) lastEventIDs() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, r := range s.requests {
		if h, ok := r.Header["Last-Event-Id"]; ok {
			ids = append(ids, strings.Join(h, "|"))
		} else {
			ids = append(ids, "-")
		}
	}
	return strings.Join(ids, " ")
}

// waits returns the times between the requests.
func (s *server) waits() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var waits []time.Duration
	for i := 1; i < len(s.requests); i++ {
		waits = append(waits, s.requests[i].at-s.requests[i-1].at)
	}
	return waits
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// http1 are the transports for HTTP/1.1.
var http1 = map[string]func(dialFunc) http.RoundTripper{
	"net/http": func(dial dialFunc) http.RoundTripper {
		return &http.Transport{DialContext: dial, DisableKeepAlives: true}
	},
	"lean": func(dial dialFunc) http.RoundTripper { return &lean.Transport{DialContext: dial} },
}

// overBoth runs a test over each of them, in bubbles.
func overBoth(t *testing.T, name string, f func(t *testing.T, transport func(dialFunc) http.RoundTripper)) {
	for over, transport := range http1 {
		in(t, strings.TrimPrefix(name+", "+over, ", "), func(t *testing.T) { f(t, transport) })
	}
}

// send opens an event stream and sends text.
func send(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, text)
	_ = http.NewResponseController(w).Flush()
}

// Handlers.

// stream sends text and closes.
func stream(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { send(w, text) }
}

// hold sends text and keeps the stream open until the client leaves.
func hold(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		send(w, text)
		<-r.Context().Done()
	}
}

// pause lets time pass, unless the client leaves.
func pause(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

// cut sends text and breaks the connection.
func cut(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		send(w, text)
		panic(http.ErrAbortHandler)
	}
}

// status answers with a code, some headers and a body.
func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			_, _ = io.WriteString(w, "data: refused\n\n")
		}
	}
}

// raw writes bytes to the connection, past net/http, and closes or resets it.
func raw(text string, reset bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, text)
		if reset {
			synctest.Wait() // the client has read what was written
			conn.(*memnet.Conn).Reset()
		}
	}
}

const rawHeader = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

// every is a Backoff that always waits as long.
func every(d time.Duration) func(time.Duration) sse.Backoff {
	return func(time.Duration) sse.Backoff { return backoff.NewConstantBackOff(d) }
}

// constant is a Backoff that always waits for the reconnection time.
func constant(initial time.Duration) sse.Backoff { return backoff.NewConstantBackOff(initial) }

// in runs a test in a bubble, as a subtest.
func in(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { bubble(t, f) })
}

// bubble runs a test in a bubble. A deadlock fails this test only: the panic of synctest
// would end the program, and hide what else fails.
func bubble(t *testing.T, f func(t *testing.T)) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v", p)
		}
	}()
	synctest.Test(t, f)
}

// all ranges to the end.
func all(t testing.TB, events iter.Seq2[sse.Event, error]) (got []sse.Event, err error) {
	for ev, e := range events {
		require.NoError(t, err, "something came after the error")
		if err = e; err == nil {
			got = append(got, ev)
		} else {
			require.Zero(t, ev)
		}
	}
	return got, err
}

// data returns the data of events, joined by spaces.
func data(events []sse.Event) string {
	var d []string
	for _, ev := range events {
		d = append(d, ev.Data)
	}
	return strings.Join(d, " ")
}

// A transcript records what a stream does, with the times.
type transcript struct {
	strings.Builder
	start    time.Time
	connects int
	infos    []sse.DisconnectInfo
	waits    []time.Duration // from each disconnect to the next connect
	ended    time.Time       // the last connection
}

func record() *transcript { return &transcript{start: time.Now()} }

func (tr *transcript) add(format string, args ...any) {
	fmt.Fprintf(tr, "%-8s%s\n", time.Since(tr.start), fmt.Sprintf(format, args...))
}

func (tr *transcript) trace() *sse.Trace {
	return &sse.Trace{
		Connect: func(r *http.Request) {
			if tr.connects++; tr.connects > 1 {
				tr.waits = append(tr.waits, time.Since(tr.ended))
			}
			tr.add("connect %q", r.Header.Get("Last-Event-ID"))
		},
		Open:    func(*http.Response) { tr.add("open") },
		Comment: func(text string) { tr.add("comment %q", text) },
		Disconnect: func(info sse.DisconnectInfo) {
			tr.infos, tr.ended = append(tr.infos, info), time.Now()
			next := "end"
			if info.Reconnect {
				next = fmt.Sprintf("again in %s", info.Delay)
			}
			tr.add("disconnect: %v; %s, after %q", info.Err, next, info.LastEventID)
		},
	}
}

// errs returns what ended each connection.
func (tr *transcript) errs() (errs []error) {
	for _, info := range tr.infos {
		errs = append(errs, info.Err)
	}
	return errs
}

func get(t testing.TB, url string) *http.Request {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return req
}

// listenAndServe serves h on loopback TCP until the test ends, and returns its URL.
func listenAndServe(t testing.TB, h http.HandlerFunc) string {
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL
}

// TestMain fails when a goroutine is left over: a leak is a failure.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	if runtime.GOOS == "js" {
		before++ // the one that hands the events of JavaScript to Go
	}
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
