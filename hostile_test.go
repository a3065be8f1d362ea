package sse_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
)

var flatMiB = flag.Int("flat", 32, "MiB of events that TestFlatHeap reads over each transport")

// serveRaw has each connection answered by what respond writes to it, until it returns.
func serveRaw(t *testing.T, transport func(dialFunc) http.RoundTripper, respond func(n int, conn net.Conn)) *http.Client {
	l := memnet.Listen()
	var serving sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					respond(n, conn)
				}
			})
		}
	})
	return &http.Client{Transport: transport(l.DialContext)}
}

const noMore = "HTTP/1.1 204 No Content\r\n\r\n"

// TestHostileResponses meets each response of testdata/hostile, and then a 204.
func TestHostileResponses(t *testing.T) {
	files, err := filepath.Glob("testdata/hostile/*.http")
	require.NoError(t, err)
	require.Len(t, files, 16)
	refusals := map[string]bool{"status-zero": true, "switches-protocols": true, "header-with-a-nul": false}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".http")
		overBoth(t, name, func(t *testing.T, transport func(dialFunc) http.RoundTripper) {
			response, err := os.ReadFile(file)
			require.NoError(t, err)
			hc := serveRaw(t, transport, func(n int, conn net.Conn) {
				if n > 0 {
					_, _ = io.WriteString(conn, noMore)
					return
				}
				_, _ = conn.Write(response)
			})
			tr := record()
			c := sse.Client{HTTPClient: hc, Reconnect: sse.Transient, IdleTimeout: time.Minute, Trace: tr.trace()}
			got, err := all(t, c.Get(t.Context(), "http://memnet/"))
			if err != nil {
				var refusal *sse.ResponseError
				require.ErrorAs(t, err, &refusal)
				require.True(t, refusals[name], err)
			} else {
				require.False(t, refusals[name])
				require.Len(t, tr.infos, 2)
				require.Error(t, tr.infos[0].Err)
			}
			require.LessOrEqual(t, len(got), 1)
			require.Equal(t, strings.Repeat("one", len(got)), data(got))
		})
	}
}

// TestEndlessHeader: net/http gives a header up at ten megabytes, and lean at 256 KiB; we say
// so, and go on.
func TestEndlessHeader(t *testing.T) {
	overBoth(t, "", func(t *testing.T, transport func(dialFunc) http.RoundTripper) {
		var sent atomic.Int64
		hc := serveRaw(t, transport, func(n int, conn net.Conn) {
			if n > 0 {
				_, _ = io.WriteString(conn, noMore)
				return
			}
			_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			line := strings.Repeat("X-Header: and another one\r\n", 1000)
			for ; err == nil; sent.Add(int64(len(line))) {
				_, err = io.WriteString(conn, line)
			}
		})
		tr := record()
		c := sse.Client{HTTPClient: hc, Reconnect: sse.Transient, Trace: tr.trace()}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.ErrorContains(t, tr.infos[0].Err, "headers exceeded")
		require.Less(t, sent.Load(), int64(12<<20))
	})
}

// TestGzipBomb: what is encoded is refused, and not unpacked.
func TestGzipBomb(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 1<<20))
	require.NoError(t, z.Close())
	bomb.Write(bytes.Repeat(bomb.Bytes(), 79)) // which unpack one after another
	overBoth(t, "", func(t *testing.T, transport func(dialFunc) http.RoundTripper) {
		hc := serveRaw(t, transport, func(_ int, conn net.Conn) {
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n%s", bomb.String())
		})
		before := allocated()
		_, err := all(t, (&sse.Client{HTTPClient: hc, Reconnect: sse.Transient}).Get(t.Context(), "http://memnet/"))
		var refusal *sse.ResponseError
		require.ErrorAs(t, err, &refusal)
		require.Len(t, refusal.Body, min(64<<10, bomb.Len()))
		require.Less(t, allocated()-before, uint64(2<<20))
	})
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestRetryStorm: a server that asks for connections in a row, or for a wait without end.
func TestRetryStorm(t *testing.T) {
	for _, test := range []struct {
		name        string
		answer      http.HandlerFunc
		connections int
		least, most time.Duration // for all of them
	}{
		{"events, at once", stream("retry:0\ndata:1\n\n"), 1000, 1000 * 10 * time.Millisecond, 1000 * 20 * time.Millisecond},
		{"nothing, at once", stream("retry:0\n\n"), 20, 5 * time.Minute, 12 * time.Minute},
		{"Retry-After: 0", status(503, "Retry-After", "0"), 20, 20 * time.Second, 12 * time.Minute},
		{"retry for ever", stream("retry:99999999999999999999\ndata:1\n\n"), 10, 10 * time.Hour, 20 * time.Hour},
		{"Retry-After for ever", status(503, "Retry-After", "99999999999999999999"), 10, 10 * time.Hour, 20 * time.Hour},
	} {
		in(t, test.name, func(t *testing.T) {
			start := time.Now()
			waits(t, repeated(test.connections, test.answer)...)
			requireWithin(t, test.least, test.most, time.Since(start))
		})
	}
}

// TestHugeID: an ID of a megabyte stays on its event, and no request carries it.
func TestHugeID(t *testing.T) {
	in(t, "", func(t *testing.T) {
		huge := strings.Repeat("i", 1<<20)
		s := serve(t, stream("id:1\ndata:1\n\nid:"+huge+"\ndata:2\n\n"), stream("id:2\ndata:2\n\n"))
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Len(t, got, 3)
		require.True(t, got[1].LastEventID == huge)
		require.Equal(t, "- 1 2", s.lastEventIDs())
	})
}

// TestByteAMinute: a server that sends just enough not to be silent. The line that it
// never ends is given up at the limit, and the context ends the stream before.
func TestByteAMinute(t *testing.T) {
	overBoth(t, "", func(t *testing.T, transport func(dialFunc) http.RoundTripper) {
		hc := serveRaw(t, transport, func(_ int, conn net.Conn) {
			_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ")
			for err == nil {
				time.Sleep(time.Minute)
				_, err = io.WriteString(conn, "x")
			}
		})
		start := time.Now()
		c := sse.Client{HTTPClient: hc, IdleTimeout: 2 * time.Minute, MaxEventSize: 1000}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.ErrorIs(t, err, sse.ErrEventTooLarge)
		require.Equal(t, 995*time.Minute, time.Since(start), "1000 bytes, of which five came at once")

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+time.Second)
		defer cancel()
		start = time.Now()
		_, err = all(t, c.Get(ctx, "http://memnet/"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Hour+time.Second, time.Since(start))
	})
}

// TestFlatHeap reads events by the mebibyte, over one connection: what is kept does not grow.
func TestFlatHeap(t *testing.T) {
	event := "id: 12345\nevent: change\ndata: " + strings.Repeat("x", 1000) + "\n\n"
	perMiB := 1 << 20 / len(event)
	overBoth(t, "", func(t *testing.T, transport func(dialFunc) http.RoundTripper) {
		hc := serveRaw(t, transport, func(_ int, conn net.Conn) {
			_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
			mib := strings.Repeat(event, perMiB)
			for err == nil {
				_, err = io.WriteString(conn, mib)
			}
		})
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		events, want := 0, *flatMiB*perMiB
		var before int64
		for ev, err := range (&sse.Client{HTTPClient: hc}).Get(t.Context(), "http://memnet/") {
			require.NoError(t, err)
			require.Len(t, ev.Data, 1000)
			events++
			if events == want/4 {
				before = heap()
			}
			if events == want {
				break
			}
		}
		grown := heap() - before
		t.Logf("%d events, %d MiB; the heap has grown by %d bytes since a quarter of them", events, *flatMiB, grown)
		require.Less(t, grown, int64(1<<20))
	})
}
