package sse_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
)

// frame returns an HTTP/2 frame (RFC 9113, section 4.1).
func frame(typ, flags, stream byte, payload string) string {
	return string([]byte{0, 0, byte(len(payload)), typ, flags, 0, 0, 0, stream}) + payload
}

const (
	frameData, frameHeaders, frameRST, frameSettings, frameGoAway = 0, 1, 3, 4, 7
	endStream, endHeaders                                         = 1, 4

	status200   = "\x88"                           // HPACK's static table
	status204   = "\x89"                           //
	eventStream = "\x5f\x11" + "text/event-stream" // Content-Type, with its name from the table
)

// TestHTTP2Ends breaks the stream with HTTP/2's own means, frame by frame: each is a
// network error, which a new connection cures.
func TestHTTP2Ends(t *testing.T) {
	open := frame(frameSettings, 0, 0, "") + frame(frameHeaders, endHeaders, 1, status200+eventStream) +
		frame(frameData, 0, 1, "id:1\ndata:1\n\nid:2\ndata:2")
	for name, end := range map[string]string{
		"GOAWAY":                        frame(frameGoAway, 0, 0, "\x00\x00\x00\x01"+"\x00\x00\x00\x02"),
		"GOAWAY, without an error":      frame(frameGoAway, 0, 0, "\x00\x00\x00\x01"+"\x00\x00\x00\x00"),
		"GOAWAY before the stream's ID": frame(frameGoAway, 0, 0, "\x00\x00\x00\x00"+"\x00\x00\x00\x02"),
		"RST_STREAM":                    frame(frameRST, 0, 1, "\x00\x00\x00\x02"),
		"RST_STREAM, without an error":  frame(frameRST, 0, 1, "\x00\x00\x00\x00"),
		"RST_STREAM, CANCEL":            frame(frameRST, 0, 1, "\x00\x00\x00\x08"),
		"a frame that nobody expects":   frame(frameHeaders, endHeaders, 0, status200),
		"a close without a word":        "",
	} {
		in(t, name, func(t *testing.T) {
			l := memnet.Listen()
			go func() {
				for n := 0; ; n++ {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go serveFrames(conn, n, open, end)
				}
			}()
			defer l.Close()
			protocols := new(http.Protocols)
			protocols.SetUnencryptedHTTP2(true)
			transport := &http.Transport{DialContext: l.DialContext, Protocols: protocols}
			defer transport.CloseIdleConnections()
			tr := record()
			c := sse.Client{HTTPClient: &http.Client{Transport: transport}, Trace: tr.trace()}

			got, err := all(t, c.Get(t.Context(), "http://memnet/"))
			require.NoError(t, err)
			require.Equal(t, "1", data(got))
			require.Len(t, tr.infos, 2)
			require.Error(t, tr.infos[0].Err)
			require.True(t, tr.infos[0].Reconnect)
			require.Equal(t, "1", tr.infos[0].LastEventID)
			require.False(t, tr.infos[1].Request.Close, "only silence makes a connection suspect")
		})
	}
}

// A mortal is a connection that can die without a word: what is written to it is lost, and
// nothing comes any more.
type mortal struct {
	net.Conn
	dead atomic.Bool
}

func (c *mortal) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *mortal) Read(b []byte) (int, error) {
	for {
		if n, err := c.Conn.Read(b); err != nil || !c.dead.Load() {
			return n, err
		}
	}
}

// mortals makes the connections that the client of s dials mortal, and counts them.
type mortals struct {
	mu    sync.Mutex
	conns []*mortal
}

func (m *mortals) of(t testing.TB, s *server) *mortals {
	s.netHTTP(t).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := s.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.conns = append(m.conns, &mortal{Conn: conn})
		return m.conns[len(m.conns)-1], nil
	}
	return m
}

func (m *mortals) dialed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.conns)
}

func (m *mortals) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.dead.Store(true)
	}
}

// TestHTTP2DeadConnection: nothing comes any more on a connection that streams share, and
// nothing says so. They leave it, need few new ones, and share again afterwards.
func TestHTTP2DeadConnection(t *testing.T) {
	const idle = time.Second
	for _, test := range []struct {
		name   string
		n      int
		cloned bool // by a RoundTripper in between, as those of tokens and of telemetry do
	}{{"1 stream", 1, false}, {"2 streams", 2, false}, {"60 streams", 60, false}, {"1 stream, cloned", 1, true}, {"20 streams, cloned", 20, true}} {
		in(t, test.name, func(t *testing.T) {
			n := test.n
			s := serveAll(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				for r.Context().Err() == nil {
					send(w, "data:1\n\n")
					pause(r, idle/4)
				}
			})
			s.useHTTP2(t)
			m := new(mortals).of(t, s)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var events, attempts atomic.Int64
			if transport := s.client.Transport; test.cloned {
				s.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					return transport.RoundTrip(r.Clone(r.Context()))
				})
				defer transport.(*http.Transport).CloseIdleConnections()
			}
			c := sse.Client{HTTPClient: s.client, IdleTimeout: idle, Trace: &sse.Trace{
				Connect: func(*http.Request) { attempts.Add(1) },
			}}
			for range n {
				wg.Go(func() {
					for range c.Get(ctx, "http://memnet/") {
						events.Add(1)
					}
				})
			}
			time.Sleep(10 * idle)
			m.kill()
			before, attempted := m.dialed(), attempts.Load()
			time.Sleep(60 * idle)
			after := m.dialed()
			assert.LessOrEqual(t, after-before, n, "connections to replace a dead one")
			assert.LessOrEqual(t, attempts.Load()-attempted, int64(3*n))

			seen := events.Load()
			time.Sleep(10 * idle)
			assert.GreaterOrEqual(t, events.Load()-seen, int64(39*n), "all are back")
			m.kill() // again: they have not stopped sharing
			time.Sleep(60 * idle)
			assert.LessOrEqual(t, m.dialed()-after, n)
			seen = events.Load()
			time.Sleep(10 * idle)
			assert.GreaterOrEqual(t, events.Load()-seen, int64(39*n), "all are back")
			cancel()
			wg.Wait()
		})
	}
}

// TestHTTP2Quiet: streams on which nothing comes keep their connection, which is not dead.
func TestHTTP2Quiet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serveAll(t, func(w http.ResponseWriter, r *http.Request, _ int) { hold("")(w, r) })
		s.useHTTP2(t)
		m := new(mortals).of(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Second}
		go func() { _, _ = all(t, c.Get(ctx, "http://memnet/")) }()
		time.Sleep(100 * time.Millisecond) // the others find its connection
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() { _, _ = all(t, c.Get(ctx, "http://memnet/")) })
		}
		wg.Wait()
		require.Greater(t, len(s.requests), 300)
		require.Equal(t, 1, m.dialed())
	})
}

// onDeadConnection returns a server whose client has one connection, which has died, and
// which another stream keeps in use until cancel is called. The server answers the next
// request with an event.
func onDeadConnection(t *testing.T) (s *server, m *mortals, cancel func()) {
	s = serve(t, hold("data:0\n\n"), stream("data:1\n\n"))
	s.useHTTP2(t)
	m = new(mortals).of(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = all(t, (&sse.Client{HTTPClient: s.client}).Get(ctx, "http://memnet/"))
	}()
	synctest.Wait()
	m.kill()
	return s, m, cancel
}

// TestHTTP2NeverOpened: a stream that never had a response leaves a dead connection after
// two waits for a header.
func TestHTTP2NeverOpened(t *testing.T) {
	in(t, "an http.Client with a Transport", func(t *testing.T) { testNeverOpened(t, false) })
	in(t, "http.DefaultTransport", func(t *testing.T) { testNeverOpened(t, true) })
}

func testNeverOpened(t *testing.T, byDefault bool) {
	s, m, cancel := onDeadConnection(t)
	defer cancel()
	if byDefault {
		before := http.DefaultTransport
		defer func() { http.DefaultTransport = before }()
		http.DefaultTransport, s.client = s.client.Transport, new(http.Client)
	}
	tr := record()
	c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Minute, Reconnect: sse.Transient, Trace: tr.trace()}
	got, err := all(t, c.Get(t.Context(), "http://memnet/"))
	require.NoError(t, err)
	require.Equal(t, "1", data(got))
	require.Equal(t, 4, tr.connects, "two without a header, one stream, 204")
	require.Equal(t, 2, m.dialed())
	require.Equal(t, "- -", s.lastEventIDs()[:3])
}

// TestAnyOtherEndClearsSilence: a connection is left after two silences in a row, and after
// those only. An end of another kind in between shows that it works.
func TestAnyOtherEndClearsSilence(t *testing.T) {
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	in(t, "HTTP/2 keeps its connection", func(t *testing.T) {
		s := serve(t, hold("data:1\n\n"), stream("data:2\n\n"), silent, stream("data:3\n\n"))
		s.useHTTP2(t)
		m := new(mortals).of(t, s)
		tr := record()
		c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Minute, Reconnect: sse.Transient, Trace: tr.trace()}
		got, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, "1 2 3", data(got))
		require.Equal(t, []error{sse.ErrIdleTimeout, io.EOF, sse.ErrIdleTimeout, io.EOF, nil}, tr.errs())
		require.Equal(t, 1, m.dialed())
	})
	in(t, "HTTP/1.1 leaves idle connections open again", func(t *testing.T) {
		s := serve(t, silent, silent, stream("data:1\n\n"), stream("data:2\n\n"))
		closes := &idleCloses{RoundTripper: s.client.Transport}
		s.client.Transport = closes
		tr := record()
		c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Minute, Reconnect: sse.Transient, Trace: tr.trace()}
		got, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, "1 2", data(got))
		require.Equal(t, []error{sse.ErrIdleTimeout, sse.ErrIdleTimeout, io.EOF, io.EOF, nil}, tr.errs())
		require.Equal(t, []int{3}, closes.before, "the requests before which they are closed")
	})
}

// idleCloses notes before which requests the idle connections are closed, counted from 1.
type idleCloses struct {
	http.RoundTripper
	requests int
	before   []int
}

func (c *idleCloses) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests++
	return c.RoundTripper.RoundTrip(r)
}

func (c *idleCloses) CloseIdleConnections() { c.before = append(c.before, c.requests+1) }

// TestHTTP2LeavingWithABody: a request that is given up is sent again with its body, and one
// whose body cannot be had again is not given up.
func TestHTTP2LeavingWithABody(t *testing.T) {
	for name, getBody := range map[string]bool{"GetBody": true, "a body of Prepare's": false} {
		in(t, name, func(t *testing.T) {
			s, m, cancel := onDeadConnection(t)
			defer cancel()
			tr := record()
			c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Minute, Reconnect: sse.Transient, Trace: tr.trace()}
			var sent []io.ReadCloser
			connect := c.Trace.Connect
			var last *http.Request
			c.Trace.Connect = func(r *http.Request) { connect(r); sent, last = append(sent, r.Body), r }
			c.Trace.Open = func(resp *http.Response) {
				require.Equal(t, last.Context(), resp.Request.Context(), "not that of a request in between")
			}
			req := post(t, strings.NewReader("body"))
			connects := 4
			if !getBody {
				req, connects = get(t, "http://memnet/"), 5 // the third one still marks the connection
				c.Prepare = func(r *http.Request) error { withBody(r); return nil }
			}
			got, err := all(t, c.Events(req))
			require.NoError(t, err)
			require.Equal(t, "1", data(got))
			require.Equal(t, connects, tr.connects)
			require.Equal(t, "body", s.requests[1].body)
			require.Equal(t, 2, m.dialed())
			for i, info := range tr.infos {
				require.True(t, info.Request.Body == sent[i], "a RoundTripper does not change its request")
			}
		})
	}
}

// TestHTTP2LeavingClosesNothing: a stream whose header does not come leaves a connection on
// which another stream is well. That one is not cut.
func TestHTTP2LeavingClosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := new(mortals)
		s := serveAll(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			switch {
			case r.URL.Path == "/lively":
				for r.Context().Err() == nil {
					send(w, "data:1\n\n")
					pause(r, time.Second)
				}
			case m.dialed() < 2:
				<-r.Context().Done()
			default:
				stream("data:2\n\n")(w, r)
			}
		})
		s.useHTTP2(t)
		m.of(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		lively := record()
		var wg sync.WaitGroup
		wg.Go(func() {
			c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Minute, Trace: lively.trace()}
			_, _ = all(t, c.Get(ctx, "http://memnet/lively"))
		})
		synctest.Wait()
		c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Minute, Reconnect: sse.Transient}
		for ev, err := range c.Get(ctx, "http://memnet/mute") {
			require.NoError(t, err)
			require.Equal(t, "2", ev.Data)
			break
		}
		require.Equal(t, 2, m.dialed())
		cancel()
		wg.Wait()
		require.Len(t, lively.infos, 1)
		require.Equal(t, context.Canceled, lively.infos[0].Err)
	})
}

// A plug is a connection whose writes block, from some time on: its peer has stopped
// reading.
type plug struct {
	net.Conn
	plugged, closed chan struct{}
	once            sync.Once
}

func (c *plug) Write(b []byte) (int, error) {
	select {
	case <-c.plugged:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return c.Conn.Write(b)
	}
}

func (c *plug) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestHTTP2BlockedWrites: where another request's body fills a connection whose peer does
// not read, net/http can neither reset a stream nor tell its Read of the context. It runs in
// real time, since what net/http blocks on is a mutex.
func TestHTTP2BlockedWrites(t *testing.T) {
	skipHTTP2(t)
	const idle = 300 * time.Millisecond
	for name, test := range map[string]struct {
		sent  string // by the server, before the block
		end   func(st *sse.Stream, cancel func())
		want  error
		least time.Duration
	}{
		"context":     {"data:1\n\n", func(_ *sse.Stream, cancel func()) { time.AfterFunc(idle/3, cancel) }, context.Canceled, idle / 3},
		"Close":       {"data:1\n\n", func(st *sse.Stream, _ func()) { time.AfterFunc(idle/3, func() { st.Close() }) }, io.EOF, idle / 3},
		"IdleTimeout": {"data:1\n\n", func(*sse.Stream, func()) {}, sse.ErrIdleTimeout, idle},
		// What was not read makes net/http write while it closes: that is waited for, for a second.
		"unread data": {"data:1\n\n" + strings.Repeat(":\n", 20_000), func(st *sse.Stream, _ func()) { st.Close() }, io.EOF, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			protocols := new(http.Protocols)
			protocols.SetUnencryptedHTTP2(true)
			srv := httptest.NewUnstartedServer(hold(test.sent))
			srv.Config.Protocols = protocols
			srv.Start()
			block := make(chan struct{})
			var conn *plug
			transport := &http.Transport{Protocols: protocols, MaxConnsPerHost: 1, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				select {
				case <-block:
					return nil, errCause // the one connection is what this is about
				default:
				}
				c, err := new(net.Dialer).DialContext(ctx, network, addr)
				conn = &plug{Conn: c, plugged: block, closed: make(chan struct{})}
				return conn, err
			}}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := sse.Client{HTTPClient: &http.Client{Transport: transport}, IdleTimeout: idle, Reconnect: func(error) bool { return false }}
			st := c.Stream(get(t, srv.URL).WithContext(ctx))
			require.NoError(t, st.Next())
			close(block)
			done := make(chan bool)
			go func() {
				defer close(done)
				req, _ := http.NewRequest(http.MethodPost, srv.URL, bytes.NewReader(make([]byte, 4<<20)))
				_, _ = c.HTTPClient.Do(req)
			}()

			start := time.Now()
			test.end(st, cancel)
			require.Equal(t, test.want, st.Next())
			took := time.Since(start)
			require.GreaterOrEqual(t, took, test.least)
			require.Less(t, took, test.least+5*time.Second, "not for ever")
			conn.Close()
			<-done
			srv.CloseClientConnections()
			srv.Close()
		})
	}
}

// serveFrames answers the first connection's request with open and end, and each one
// after it with 204.
func serveFrames(conn net.Conn, n int, open, end string) {
	defer conn.Close()
	answer := open + end
	if n > 0 {
		answer = frame(frameSettings, 0, 0, "") + frame(frameHeaders, endHeaders|endStream, 1, status204)
	}
	// The client's preface, settings and request are there when nothing more comes.
	request := make([]byte, 4096)
	if _, err := conn.Read(request); err != nil {
		return
	}
	synctest.Wait()
	if _, err := io.WriteString(conn, answer); err != nil {
		return
	}
	synctest.Wait()
	if n > 0 {
		_, _ = io.Copy(io.Discard, conn) // until the client has done
	}
}
