package servers

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/conformance/internal/numbered"
	"github.com/lastevent/sse/conformance/internal/program"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/conformance/internal/toxic"
	"github.com/lastevent/sse/conformance/internal/wire"
)

// A proxy is a program that passes streams on.
type proxy struct {
	name    string
	version func(t *testing.T) string
	// start starts it in front of upstream, speaking p to clients. Options are directives
	// of its own for the way there.
	start func(t *testing.T, p wire.Protocol, upstream, options string) (prog *program.Program, addr string)

	streams  string // options with which it passes streams on
	compress string // options that have it compress them, too
	holds    string // options with which it holds them back, if any do
}

var proxies = []proxy{nginxProxy, haproxy, caddy}

// TestProxies: a server with a log, behind each proxy.
func TestProxies(t *testing.T) {
	for _, pr := range proxies {
		t.Run(pr.name, func(t *testing.T) {
			if program.Find(pr.name) == "" {
				table.Skip(t, pr.name, "it is not installed")
			}
			for _, p := range []wire.Protocol{wire.HTTP1, wire.Lean, wire.HTTP2} {
				testProxy(t, pr, p)
			}
		})
	}
}

func testProxy(t *testing.T, pr proxy, p wire.Protocol) {
	const last = 2000
	row := table.Start(pr.name, pr.version(t), string(p))
	run := func(name string, f func(t *testing.T)) { row.Run(t, string(p)+"/"+name, f) }
	// behind returns a log of so many events, its server, and the proxy in front of it.
	behind := func(t *testing.T, options string, published int, header http.Header) (log *numbered.Log, srv *wire.Server, prog *program.Program, addr string) {
		log = &numbered.Log{Header: header}
		log.Publish(published)
		srv = wire.HTTP1.Serve(t, log)
		prog, addr = pr.start(t, p, srv.Addr, options)
		return log, srv, prog, addr
	}

	run("tail", func(t *testing.T) {
		log, _, _, addr := behind(t, pr.streams, 1, nil)
		tail(t, p, p.URL(addr), "", last, func(from, to int) { log.Publish(to + 1 - from) })
	})
	run("10 000 events over 200 drops", func(t *testing.T) {
		const last, each = 10_000, 25
		log, _, _, addr := behind(t, pr.streams, each, nil)
		cutter := toxic.Between(t, addr)
		count := numbered.Follow(t, client(t, p), p.URL(cutter.Addr), last, func(n int) {
			if n%each == 0 {
				log.Publish(each)
				time.Sleep(time.Duration(rand.N(500)) * time.Microsecond) // some of them are on their way
				cutter.Cut(t)
			}
		})
		t.Log(count)
		count.ExactlyOnce(t)
		assert.GreaterOrEqual(t, len(count.Drops), 200)
	})
	run("restart", func(t *testing.T) {
		log, _, prog, addr := behind(t, pr.streams, last/2, nil)
		restarted(t, p, p.URL(addr), "", last, func() {
			prog.Restart(t)
			log.Publish(last - last/2)
		}).ExactlyOnce(t)
	})
	run("restart of the server", func(t *testing.T) {
		log, srv, _, addr := behind(t, pr.streams, last/2, nil)
		count := restarted(t, p, p.URL(addr), "", last, func() {
			srv.Stop()
			log.Publish(last - last/2)
			time.AfterFunc(100*time.Millisecond, func() { srv.Start(t) }) // the proxy has nowhere to go, meanwhile
		})
		count.ExactlyOnce(t)
		if clean(count.Drops[0].Err) {
			row.Differs("when the server behind it is killed, the stream ends as if it were complete")
		}
	})

	// first returns the first event, or why there is none within a second.
	first := func(t *testing.T, addr string) (sse.Event, error) {
		c := client(t, p)
		c.IdleTimeout = time.Second
		for ev, err := range c.Get(t.Context(), p.URL(addr)) {
			return ev, err
		}
		return sse.Event{}, io.EOF
	}
	run("compression, which we ask it not to do", func(t *testing.T) {
		_, _, _, addr := behind(t, pr.compress, 1, nil)
		ev, err := first(t, addr)
		require.NoError(t, err)
		assert.Equal(t, numbered.Data(1), ev.Data)
		switch compressed, stalls := gzipped(t, p, p.URL(addr)); {
		case stalls:
			row.Differs("with compression, a stream stalls for a client that accepts gzip; we ask for no compression")
		case compressed:
			row.Differs("with compression, a stream is compressed for a client that accepts gzip; we ask for no compression")
		default:
			t.Error("compression is not set up: this shows nothing")
		}
	})
	if pr.holds != "" {
		run("buffering", func(t *testing.T) {
			_, _, _, addr := behind(t, pr.holds, 1, nil)
			_, err := first(t, addr)
			require.ErrorIs(t, err, sse.ErrIdleTimeout)
			row.Differs("with its defaults it holds a stream back, including the header; X-Accel-Buffering: no, or proxy_buffering off, fixes that")
			_, _, _, addr = behind(t, pr.holds, 1, http.Header{"X-Accel-Buffering": {"no"}})
			ev, err := first(t, addr)
			require.NoError(t, err)
			assert.Equal(t, numbered.Data(1), ev.Data)
		})
	}
}

// clean reports whether err is the end of a response that was complete, between events or
// inside one.
func clean(err error) bool {
	var unfinished *sse.UnfinishedError
	return err == io.EOF || errors.As(err, &unfinished)
}

// gzipped reports what becomes of a stream for a client that accepts gzip: whether it is
// compressed, and whether nothing of it comes within a second.
func gzipped(t *testing.T, p wire.Protocol, url string) (compressed, stalls bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := p.Transport(t).RoundTrip(req)
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return true, true
	}
	defer resp.Body.Close()
	// What says that it is gzip comes first, and is nothing of the stream yet. A reader that
	// is cut off gives what it has got so far: the time tells, not the error.
	if z, err := gzip.NewReader(resp.Body); err == nil {
		_, _ = z.Read(make([]byte, 1))
	}
	return resp.Header.Get("Content-Encoding") == "gzip", ctx.Err() != nil
}
