package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/conformance/internal/numbered"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/conformance/internal/toxic"
	"github.com/lastevent/sse/conformance/internal/wire"
)

func TestMain(m *testing.M) { os.Exit(table.Main(m, "faults")) }

const retry = 10 * time.Millisecond

// client returns a client over p, on connections of its own.
func client(t *testing.T, p wire.Protocol) sse.Client {
	return sse.Client{HTTPClient: &http.Client{Transport: p.Transport(t)}}
}

// TestNetwork puts toxiproxy between client and server. Each event is delivered exactly once.
func TestNetwork(t *testing.T) {
	type network struct {
		name  string
		kind  string
		attrs map[string]int
		last  int // number
		drops int // at least
	}
	for _, p := range []wire.Protocol{wire.HTTP1, wire.Lean, wire.HTTP2, wire.H2C} {
		row := table.Start("toxiproxy", table.ModuleVersion("github.com/Shopify/toxiproxy/v2"), string(p))
		for _, n := range []network{
			{"one byte at a time", "slicer", map[string]int{"average_size": 1}, 300, 0},
			{"small packets, late", "slicer", map[string]int{"average_size": 60, "size_variation": 50, "delay": 500}, 300, 0},
			{"cut after 5000 bytes, again and again", "limit_data", map[string]int{"bytes": 5000}, 3000, 40},
			{"latency of 50 to 150 ms", "latency", map[string]int{"latency": 100, "jitter": 50}, 300, 0},
			{"100 KB a second", "bandwidth", map[string]int{"rate": 100}, 1500, 0},
		} {
			row.Run(t, fmt.Sprintf("%s/%s", p, n.name), func(t *testing.T) {
				log := &numbered.Log{Retry: retry}
				log.Publish(n.last)
				proxy := toxic.Between(t, p.Serve(t, log).Addr)
				proxy.Add(t, n.kind, n.attrs)
				count := numbered.Follow(t, client(t, p), p.URL(proxy.Addr), n.last, nil)
				t.Log(count)
				count.ExactlyOnce(t)
				count.Cut(t)
				if n.drops == 0 {
					assert.Empty(t, count.Drops)
				}
				assert.GreaterOrEqual(t, len(count.Drops), n.drops)
			})
		}
		// These begin in the middle of a stream, and end by themselves.
		for _, n := range []network{
			{"reset", "reset_peer", map[string]int{"timeout": 0}, 200, 1},
			{"black hole", "timeout", map[string]int{"timeout": 0}, 200, 1},
		} {
			row.Run(t, fmt.Sprintf("%s/%s", p, n.name), func(t *testing.T) {
				log := &numbered.Log{Retry: retry}
				log.Publish(n.last / 2)
				proxy := toxic.Between(t, p.Serve(t, log).Addr)
				c := client(t, p)
				c.IdleTimeout = 300 * time.Millisecond
				count := numbered.Follow(t, c, p.URL(proxy.Addr), n.last, func(n2 int) {
					if n2 == n.last/2 {
						proxy.Add(t, n.kind, n.attrs)
						log.Publish(n.last / 2)
						time.AfterFunc(time.Second, proxy.Clear)
					}
				})
				t.Log(count)
				count.ExactlyOnce(t)
				require.GreaterOrEqual(t, len(count.Drops), n.drops)
				if n.kind == "timeout" {
					require.ErrorIs(t, count.Drops[0].Err, sse.ErrIdleTimeout)
				} else {
					require.NotErrorIs(t, count.Drops[0].Err, sse.ErrIdleTimeout)
				}
			})
		}
	}
}

// TestServer: handlers that break off, and servers that are killed, under a stream.
func TestServer(t *testing.T) {
	const last = 2000
	for _, p := range []wire.Protocol{wire.HTTP1, wire.Lean, wire.HTTP2, wire.H2C, wire.HTTP3} {
		server, version := "net/http's server", runtime.Version()
		if p == wire.HTTP3 {
			server, version = "quic-go's server", table.ModuleVersion("github.com/quic-go/quic-go")
		}
		row := table.Start(server, version, string(p))
		row.Run(t, string(p)+"/tail", func(t *testing.T) {
			log := &numbered.Log{Retry: retry}
			log.Publish(1)
			count := numbered.Follow(t, client(t, p), p.Serve(t, log).URL(), last, func(n int) {
				if n%100 == 1 { // each event as soon as it is there
					log.Publish(min(100, last-n))
				}
			})
			t.Log(count)
			count.ExactlyOnce(t)
			assert.Empty(t, count.Drops)
			assert.Equal(t, 1, log.Requests())
		})
		row.Run(t, string(p)+"/handlers that abort", func(t *testing.T) {
			log := &numbered.Log{Retry: retry, Abort: func() bool {
				if rand.IntN(50) > 0 {
					return false
				}
				// Otherwise connections without an event would make the waits grow.
				time.Sleep(10 * time.Millisecond)
				return true
			}}
			log.Publish(last)
			count := numbered.Follow(t, client(t, p), p.Serve(t, log).URL(), last, nil)
			t.Logf("%s, %d sent", count, log.Sent())
			count.ExactlyOnce(t)
			count.Cut(t)
			assert.GreaterOrEqual(t, len(count.Drops), 10)
			if log.Sent() > last {
				row.Differs("a handler that aborts loses events that it had flushed, and the next connection brings them")
			}
		})
		row.Run(t, string(p)+"/restart", func(t *testing.T) {
			log := &numbered.Log{Retry: retry}
			srv := p.Serve(t, log)
			log.Publish(last / 2)
			c := client(t, p)
			c.IdleTimeout = 2 * time.Second // HTTP/3 has no connection that breaks
			var restarts atomic.Int32
			count := numbered.Follow(t, c, srv.URL(), last, func(n int) {
				if n == last/4 || n == last/2 {
					srv.Stop()
					log.Publish(last / 4)
					srv.Start(t)
					restarts.Add(1)
				}
			})
			t.Log(count)
			count.ExactlyOnce(t)
			assert.EqualValues(t, 2, restarts.Load())
			assert.NotEmpty(t, count.Drops)
		})
	}
}
