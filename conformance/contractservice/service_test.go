package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/conformance/internal/spec"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/conformance/internal/wire"
)

func TestMain(m *testing.M) { os.Exit(table.Main(m, "contract tests")) }

// TestContract drives the service as the public harness does, a case for what each
// capability unlocks and for the groups that all services must pass.
func TestContract(t *testing.T) {
	for transport, p := range map[string]wire.Protocol{"net/http": wire.HTTP1, "lean": wire.Lean} {
		t.Run(string(p), func(t *testing.T) { testContract(t, transport, p) })
	}
}

func testContract(t *testing.T, transport string, p wire.Protocol) {
	h := startService(t, transport)
	row := table.Start("contract tests, by our own driver", "the protocol of November 2026", string(p))
	run := func(name string, order map[string]any, f func(t *testing.T, s *subject)) {
		row.Run(t, name, func(t *testing.T) { f(t, h.start(t, order)) })
	}

	// basic parsing, linefeeds, bom
	for _, c := range spec.Load(t, "ld-contract.json") {
		run(c.Name, nil, func(t *testing.T, s *subject) {
			conn := s.connection().open()
			for i, chunk := range c.Chunks() {
				if i > 0 {
					time.Sleep(10 * time.Millisecond)
				}
				conn.send(string(chunk))
			}
			// Nothing follows, and the connection stays open: what has arrived must be reported.
			comments := 0
			for i := 0; i < len(c.Events); {
				got := s.callback()
				if got.Kind == "comment" {
					comments++
					continue
				}
				ev := c.Events[i]
				require.Equal(t, callback{Kind: "event", Event: &event{ev.Type, ev.Data, ev.LastEventID}}, got)
				i++
			}
			require.Equal(t, strings.Count(c.Name, "comment"), comments)
		})
	}
	for name, size := range map[string]int{"7 MB": 6_990_508, "14 MB": 13_981_016} {
		run("basic parsing/an event of "+name, nil, func(t *testing.T, s *subject) {
			data := strings.Repeat("x", size)
			s.connection().open().send("data: " + data + "\n\n")
			s.event("message", data, "")
		})
	}
	run("event-type-listeners", nil, func(t *testing.T, s *subject) {
		conn := s.connection().open()
		s.command(map[string]any{"command": "listen", "listen": map[string]string{"type": "greeting"}})
		conn.send("event: greeting\ndata: Hello\n\n")
		s.event("greeting", "Hello", "")
	})

	run("comments", nil, func(t *testing.T, s *subject) {
		conn := s.connection().open()
		for _, line := range []string{":Hello", ": World ", ":", ": a: b"} {
			conn.send(line + "\n")
			c := s.callback()
			require.Equal(t, "comment", c.Kind)
			require.Equal(t, line[1:], *c.Comment)
		}
		conn.send("data: x\n\n")
		s.event("message", "x", "")
	})

	run("HTTP behavior/initial request", nil, func(t *testing.T, s *subject) {
		conn := s.connection()
		require.Equal(t, http.MethodGet, conn.Method)
		require.Equal(t, []string{"text/event-stream"}, conn.Header["Accept"])
		require.Equal(t, []string{"no-cache"}, conn.Header["Cache-Control"])
		require.NotContains(t, conn.Header, "Last-Event-Id")
		require.Empty(t, conn.body)
		conn.open()
	})
	run("HTTP behavior/headers", map[string]any{"headers": map[string]string{"x-one": "1", "x-two": "2"}}, func(t *testing.T, s *subject) {
		conn := s.connection().open()
		require.Equal(t, "1", conn.Header.Get("X-One"))
		require.Equal(t, "2", conn.Header.Get("X-Two"))
	})
	run("HTTP behavior/last-event-id", map[string]any{"lastEventId": "abc"}, func(t *testing.T, s *subject) {
		conn := s.connection().open()
		require.Equal(t, "abc", conn.Header.Get("Last-Event-ID"))
		conn.send("data: x\n\n")
		s.event("message", "x", "abc")
	})
	for _, method := range []string{"POST", "REPORT"} {
		run("HTTP behavior/"+method, map[string]any{
			"method": method, "body": "how are you", "headers": map[string]string{"content-type": "text/plain"}, "initialDelayMs": 0,
		}, func(t *testing.T, s *subject) {
			for range 2 { // again when it reconnects
				conn := s.connection().open()
				require.Equal(t, method, conn.Method)
				require.Equal(t, "how are you", conn.body)
				require.Equal(t, "text/plain", conn.Header.Get("Content-Type"))
				conn.close()
			}
			s.connection().open()
		})
	}
	for _, status := range []int{301, 307} {
		name := "HTTP behavior/" + http.StatusText(status)
		run(name, nil, func(t *testing.T, s *subject) {
			s.connection().answer(status, s.server.URL+"/endpoints/1?again")
			conn := s.connection().open()
			require.Equal(t, "again", conn.URL.RawQuery)
			conn.send("data: x\n\n")
			s.event("message", "x", "")
		})
		for what, location := range map[string]string{"empty": "", "no": "-"} {
			run(name+" with "+what+" Location", nil, func(t *testing.T, s *subject) {
				s.connection().answer(status, location)
				s.failure()
			})
		}
	}
	run("HTTP behavior/server-directed-shutdown-request", nil, func(t *testing.T, s *subject) {
		s.connection().answer(http.StatusNoContent, "-")
		s.noConnection(time.Second)
	})

	noDelay := map[string]any{"initialDelayMs": 0}
	run("reconnection/after a close and a cut", noDelay, func(t *testing.T, s *subject) {
		s.connection().open().send("id: 1\ndata: a\n\n").close()
		s.event("message", "a", "1")
		conn := s.connection()
		require.Equal(t, "1", conn.Header.Get("Last-Event-ID"))
		conn.open().send("id: 2\ndata: b\n\ndata: never\n").cut()
		s.event("message", "b", "2")
		conn = s.connection()
		require.Equal(t, "2", conn.Header.Get("Last-Event-ID"))
		conn.open().send("id\ndata: c\n\n").close()
		s.event("message", "c", "")
		conn = s.connection().open()
		require.NotContains(t, conn.Header, "Last-Event-Id", "reset")
	})
	run("reconnection/retry sets the delay", noDelay, func(t *testing.T, s *subject) {
		s.connection().open().send("retry: 500\n\n").close()
		start := time.Now()
		s.connection().open()
		require.GreaterOrEqual(t, time.Since(start), 400*time.Millisecond)
	})
	run("reconnection/of a refusal that may pass", noDelay, func(t *testing.T, s *subject) {
		s.connection().answer(http.StatusServiceUnavailable, "-")
		s.failure()
		s.connection().open().send("data: x\n\n")
		s.event("message", "x", "")
	})
	run("reconnection/read-timeout", map[string]any{"initialDelayMs": 0, "readTimeoutMs": 500}, func(t *testing.T, s *subject) {
		conn := s.connection().open().send("data: x\n\n")
		s.event("message", "x", "")
		s.failure()
		s.left(conn)
		conn = s.connection().open().send("data: y\n\n")
		s.event("message", "y", "")
		conn.send(":")
	})
	run("reconnection/restart", nil, func(t *testing.T, s *subject) {
		conn := s.connection().open().send("id: 1\ndata: x\n\n")
		s.event("message", "x", "1")
		s.command(map[string]any{"command": "restart"})
		s.left(conn)
		conn = s.connection()
		require.Equal(t, "1", conn.Header.Get("Last-Event-ID"))
		conn.open().send("data: y\n\n")
		s.event("message", "y", "1")
	})
	run("reconnection/restart before the stream has opened", nil, func(t *testing.T, s *subject) {
		conn := s.connection()
		s.command(map[string]any{"command": "restart"})
		s.left(conn)
		s.connection().open().send("data: x\n\n")
		s.event("message", "x", "")
	})
	run("reconnection/restart during a wait", map[string]any{"initialDelayMs": 600_000}, func(t *testing.T, s *subject) {
		s.connection().open().send("id: 1\ndata: x\n\n").close()
		s.event("message", "x", "1")
		s.noConnection(100 * time.Millisecond)
		s.command(map[string]any{"command": "restart"})
		conn := s.connection()
		require.Equal(t, "1", conn.Header.Get("Last-Event-ID"))
		conn.open()
	})
	run("reconnection/the harness's delay, before the stream has opened", map[string]any{"initialDelayMs": 500}, func(t *testing.T, s *subject) {
		s.connection().answer(http.StatusServiceUnavailable, "-")
		start := time.Now()
		s.failure()
		s.connection().open()
		require.GreaterOrEqual(t, time.Since(start), 400*time.Millisecond)
	})

	run("the service/a stream that is closed", nil, func(t *testing.T, s *subject) {
		conn, location := s.connection().open(), s.location
		status, _ := h.do(t, http.MethodPost, location, map[string]string{"command": "dance"})
		require.Equal(t, http.StatusBadRequest, status)
		s.close()
		s.left(conn)
		s.noConnection(300 * time.Millisecond)
		for _, method := range []string{http.MethodDelete, http.MethodPost} {
			status, _ := h.do(t, method, location, map[string]string{"command": "restart"})
			require.Equal(t, http.StatusNotFound, status)
		}
	})
	run("the service/is stopped with streams open", nil, func(t *testing.T, s *subject) {
		conn := s.connection().open()
		resp, err := http.Get(h.url)
		require.NoError(t, err)
		defer resp.Body.Close()
		var self struct{ Capabilities []string }
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&self))
		require.Len(t, self.Capabilities, 10)
		status, _ := h.do(t, http.MethodDelete, "/", nil)
		require.Equal(t, http.StatusNoContent, status)
		require.NoError(t, <-h.stopped)
		s.left(conn)
		s.location = ""
	})
}

// TestOrdersThatMakeNoSense are refused, with the reason.
func TestOrdersThatMakeNoSense(t *testing.T) {
	h := startService(t, "net/http")
	for _, order := range []any{nil, "x", map[string]any{"streamUrl": "http://a b/"}, map[string]any{"method": "A B"}} {
		status, location := h.do(t, http.MethodPost, "/", order)
		if order == nil {
			require.Equal(t, http.StatusCreated, status, "an empty URL fails in the stream")
			continue
		}
		require.Equal(t, http.StatusBadRequest, status)
		require.Empty(t, location)
	}
	h.stop()
	require.NoError(t, <-h.stopped)
}

func TestLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "localhost"} {
		require.Error(t, serve(t.Context(), addr, nil, func(string) { t.Error("listens on", addr) }), addr)
	}
}
