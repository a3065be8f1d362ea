package sse_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	stdlog "log"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/lean"
)

var (
	chaosCuts = flag.Int("chaos", 2000, "cuts of each of TestChaos's streams in a bubble")
	chaosSeed = flag.Uint64("chaos.seed", 0, "seed of TestChaos; 0: another one each time")
)

// TestChaos: whatever a network and a server do to a stream, each event comes exactly once
// and in order. In a bubble it is many cuts, over loopback few, and real.
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:])
		seed = binary.LittleEndian.Uint64(b[:])
	}
	t.Logf("-chaos.seed %d", seed)
	for _, over := range []string{"HTTP/1.1", "HTTP/2", "lean"} {
		in(t, over+", in a bubble", func(t *testing.T) {
			if over == "HTTP/2" {
				skipHTTP2(t)
			}
			l := memnet.Listen()
			c := newChaos(seed, *chaosCuts)
			c.run(t, l, l.DialContext, over)
		})
		t.Run(over+", over loopback", func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			c := newChaos(seed, min(*chaosCuts, 100))
			c.stalls = false // they take their time
			c.run(t, l, func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
			}, over)
		})
	}
}

// chaos is a server that replays by Last-Event-ID, on a network that breaks.
type chaos struct {
	cuts   int // to be made
	stalls bool

	mu   sync.Mutex
	rng  *mathrand.Rand
	made map[string]int // by kind
	left int
}

func newChaos(seed uint64, cuts int) *chaos {
	return &chaos{cuts: cuts, stalls: true, rng: mathrand.New(mathrand.NewPCG(seed, 0)), made: make(map[string]int), left: cuts}
}

// n returns a random number below max.
func (c *chaos) n(max int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(max)
}

// over reports whether all cuts have been made.
func (c *chaos) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left <= 0
}

func (c *chaos) count(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[kind]++
}

// run follows the stream until all cuts have been made, and a little further.
func (c *chaos) run(t *testing.T, l net.Listener, dial dialFunc, over string) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(over != "HTTP/2")
	protocols.SetUnencryptedHTTP2(over == "HTTP/2")
	srv := &http.Server{Handler: c, Protocols: protocols, ErrorLog: stdlog.New(io.Discard, "", 0)}
	defer srv.Close() // also when a check fails: a bubble that cannot end hides what failed
	go srv.Serve(cuttingListener{l, c})
	hc := &http.Client{Transport: &http.Transport{DialContext: dial, Protocols: protocols}}
	if over == "lean" {
		hc.Transport = &lean.Transport{DialContext: dial}
	}
	defer hc.CloseIdleConnections()
	drops := 0
	client := sse.Client{
		HTTPClient:  hc,
		Reconnect:   sse.Transient,
		IdleTimeout: 10 * time.Second,
		// No longer than the server asks for: the default's growth would cost loopback minutes.
		NewBackoff: func(time.Duration) sse.Backoff { return backoffFunc(func() time.Duration { return 0 }) },
		Trace: &sse.Trace{Disconnect: func(info sse.DisconnectInfo) {
			if info.Reconnect {
				drops++
			}
		}},
	}
	start := time.Now()
	handled, more := 0, 20
	for ev, err := range client.Get(t.Context(), "http://memnet/") {
		require.NoError(t, err)
		handled++
		require.Equal(t, chaosEvent(handled), ev)
		if c.over() {
			if more--; more == 0 {
				break
			}
		}
	}
	require.Zero(t, more, "the stream has ended")
	t.Logf("%d events, each once and in order; %d drops in %v; the network: %v", handled, drops, time.Since(start).Round(time.Second), c.made)
}

// chaosEvent returns the event of a number: with lines, runes of each length, an ID and a type.
func chaosEvent(n int) sse.Event {
	rng := mathrand.New(mathrand.NewPCG(uint64(n), 1))
	ev := sse.Event{Type: "message", LastEventID: strconv.Itoa(n)}
	if rng.IntN(3) == 0 {
		ev.Type = "é"
	}
	var data strings.Builder
	for range rng.IntN(30) {
		data.WriteString([]string{"a", "ß", "€", "😀", "\n", " ", ":", "data: ", "\ufffd", "id: 0\n"}[rng.IntN(10)])
	}
	ev.Data = data.String()
	return ev
}

// ServeHTTP streams from behind the Last-Event-ID on, in one of many ways.
func (c *chaos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	last, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil && r.Header.Get("Last-Event-ID") != "" {
		panic("an ID that was never sent: " + r.Header.Get("Last-Event-ID"))
	}
	calm := c.over()
	if !calm && c.n(8) == 0 {
		if c.n(2) == 0 {
			w.Header().Set("Retry-After", "0")
		}
		status := []int{429, 500, 503}[c.n(3)]
		c.count(strconv.Itoa(status))
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	eol := []string{"\n", "\r", "\r\n"}[c.n(3)]
	fmt.Fprint(w, []string{"", "\ufeff"}[c.n(2)], "retry: 10", eol)
	flush := http.NewResponseController(w).Flush
	for n := last + 1; ; n++ {
		ev := chaosEvent(n)
		if c.n(4) == 0 {
			fmt.Fprintf(w, ": %d%s\xff\xfe: garbage%sDATA: x%s", n, eol, eol, eol)
		}
		lines := []string{"event: " + ev.Type, "id:" + ev.LastEventID}
		for line := range strings.SplitSeq(ev.Data, "\n") {
			lines = append(lines, "data: "+line)
		}
		fmt.Fprint(w, strings.Join(lines, eol), eol, eol)
		if flush() != nil {
			return
		}
		if calm && n == last+100 {
			return
		}
		if !calm && c.n(20) == 0 {
			break
		}
	}
	if c.n(2) == 0 {
		c.count("close")
		return
	}
	c.count("abort")
	panic(http.ErrAbortHandler)
}

// cuttingListener has each connection break after some bytes of what the server sends.
type cuttingListener struct {
	net.Listener
	c *chaos
}

func (l cuttingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || l.c.over() {
		return conn, err
	}
	kinds := []string{"cut", "cut", "cut", "reset", "garbage", "stall"}
	if !l.c.stalls {
		kinds = kinds[:5]
	}
	cut := &cuttingConn{Conn: conn, c: l.c, kind: kinds[l.c.n(len(kinds))]}
	if cut.kind != "garbage" { // which in the middle of a chunk would be the server's own words
		cut.bytes = l.c.n(1000) // some in the header, most in the stream
	}
	return cut, nil
}

type cuttingConn struct {
	net.Conn
	c     *chaos
	kind  string
	mu    sync.Mutex
	bytes int // until it happens
	done  bool
}

func (c *cuttingConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.done && len(b) < c.bytes {
		c.bytes -= len(b)
		return c.Conn.Write(b)
	}
	if !c.done {
		c.done = true
		c.c.mu.Lock()
		c.c.left--
		c.c.made[c.kind]++
		c.c.mu.Unlock()
		_, _ = c.Conn.Write(b[:c.bytes])
		switch c.kind {
		case "cut":
			c.Conn.Close()
		case "reset":
			if r, ok := c.Conn.(interface{ Reset() }); ok {
				r.Reset()
			} else {
				_ = c.Conn.(*net.TCPConn).SetLinger(0)
				c.Conn.Close()
			}
		case "garbage":
			_, _ = c.Conn.Write(slices.Repeat([]byte("\x00\xff{garbage}\r\r\x01"), 20))
			c.Conn.Close()
		}
	}
	if c.kind == "stall" {
		return len(b), nil // it never gets there
	}
	return 0, net.ErrClosed
}
