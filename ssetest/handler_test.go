package ssetest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// caught returns the subtests that a handler fails, and what they say.
func caught(t *testing.T, h http.Handler, opts ...Option) (names, messages []string) {
	options := newHandlerOptions(opts)
	for _, check := range handlerChecks {
		if _, ok := options.without[check.name]; ok {
			continue
		}
		var f *FakeTB
		check.inBubble(t, func(t *testing.T) {
			f = NewFakeTB(t)
			f.Run(func() { check.test(f, h, options) })
			f.End()
		})
		if said := f.Messages(); len(said) > 0 {
			names, messages = append(names, check.name), append(messages, said...)
		}
	}
	return names, messages
}

// TestBadHandlers: each is caught by exactly the subtest that should, and the failure names
// a clause, a proxy or a header field, and what happens to clients.
func TestBadHandlers(t *testing.T) {
	names := make(map[string]bool)
	for _, bad := range badHandlers {
		names[bad.caught] = true
		t.Run(bad.name, func(t *testing.T) {
			if bad.caught == "HTTP/2" && !http2InBubbles() {
				t.Skip("net/http's HTTP/2 server does not run in several bubbles before Go 1.26")
			}
			h, opts := bad.make()
			names, messages := caught(t, h, opts...)
			require.Equal(t, []string{bad.caught}, names, "%q", messages)
			for _, message := range messages {
				require.Regexp(t, `HTML §9\.2\.\d|RFC \d+ §\d|nginx|http\.|net/http`, message, "whose rule is it?")
				require.Regexp(t, `client|HEAD|cache|nginx|panicked`, message, "who suffers?")
			}
		})
	}
	for _, check := range handlerChecks {
		require.True(t, names[check.name], "no handler is caught by %q", check.name)
	}
}

// TestGoodHandlers: handlers of several styles pass everything, and what one cannot do by
// design is no fault.
func TestGoodHandlers(t *testing.T) {
	TestHandler(t, feed{})
	t.Run("a hub from before", func(t *testing.T) {
		h := new(hub)
		TestHandler(t, h, WithPublish(h.publish))
	})
	t.Run("a hub that keeps five events", func(t *testing.T) {
		h := &hub{keep: 5}
		TestHandler(t, h, WithPublish(h.publish))
	})
	t.Run("a hub that ends its streams", func(t *testing.T) {
		h := &hub{ends: true}
		TestHandler(t, h, WithPublish(h.publish))
	})
	t.Run("a hub with more than is watched", func(t *testing.T) {
		h := &hub{size: maxObserved / 8}
		TestHandler(t, h, WithPublish(h.publish))
	})
	t.Run("a hub with a goroutine", func(t *testing.T) {
		var publish func(n int)
		TestHandler(t, nil, WithPublish(func(n int) { publish(n) }), WithNew(func(t testing.TB) http.Handler {
			h := new(hub)
			news := make(chan int)
			publish = func(n int) { news <- n }
			go func() {
				for n := range news {
					h.publish(n)
				}
			}()
			t.Cleanup(func() { close(news) })
			return h
		}))
	})
	t.Run("an event each second, and no heartbeats", func(t *testing.T) {
		TestHandler(t, feed{after: func(w http.ResponseWriter, r *http.Request) {
			for n := max(31, lastID(r)+1); !pause(r, time.Second); n++ {
				fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
				_ = http.NewResponseController(w).Flush()
			}
		}})
	})
	t.Run("CRLF, a BOM, a charset, several lines", func(t *testing.T) {
		TestHandler(t, feed{
			header: func(h http.Header) {
				h.Set("Content-Type", `Text/Event-Stream;charset="UTF-8"`)
				h.Set("Cache-Control", "private, No-Cache")
				h.Set("Content-Encoding", "identity")
			},
			event: func(n int) string {
				bom := ""
				if n == 1 {
					bom = "\ufeff"
				}
				return bom + fmt.Sprintf("retry:10\r\nid:%d\r\nevent\r\ndata:é\r\ndata:%d\r\n: note\r\n\r\n", n, n)
			},
		})
	})
	t.Run("an ID for each two events, and a slow HEAD", func(t *testing.T) {
		TestHandler(t, feed{
			before: func(_ http.ResponseWriter, r *http.Request) bool {
				return r.Method == http.MethodHead && pause(r, 9*time.Second)
			},
			event: text("id: N\ndata: first\n\ndata: second\n\n"),
		})
	})
	t.Run("CR, in pieces", func(t *testing.T) {
		TestHandler(t, feed{event: func(n int) string { return fmt.Sprintf("retry:3600000\rid:%d\rdata:%d\r\r", n, n) }, flush: func(_ string, flush func()) {
			flush()
			flush()
		}})
	})
	t.Run("flushes ten times a second", func(t *testing.T) {
		TestHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tenth := time.NewTicker(100 * time.Millisecond)
			defer tenth.Stop()
			wait := func(r *http.Request, d time.Duration) bool {
				for end := time.After(d); ; {
					select {
					case <-end:
						return false
					case <-r.Context().Done():
						return true
					case <-tenth.C:
						_ = http.NewResponseController(w).Flush()
					}
				}
			}
			feed{sleep: wait, flush: func(what string, flush func()) {
				if what != "event" {
					flush()
				}
			}}.ServeHTTP(w, r)
		}))
	})
	t.Run("a stream that ends, and 405 for HEAD", func(t *testing.T) {
		TestHandler(t, feed{
			before: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodHead {
					http.Error(w, "GET only", http.StatusMethodNotAllowed)
				}
				return r.Method == http.MethodHead
			},
			after: func(http.ResponseWriter, *http.Request) {},
		})
	})
	t.Run("a stream that ends, and 204 after its end", func(t *testing.T) {
		TestHandler(t, feed{
			before: func(w http.ResponseWriter, r *http.Request) bool {
				if lastID(r) == 30 {
					w.WriteHeader(http.StatusNoContent)
				}
				return lastID(r) == 30
			},
			after: func(http.ResponseWriter, *http.Request) {},
		})
	})
	t.Run("more events than are watched", func(t *testing.T) {
		TestHandler(t, feed{event: func(n int) string { return fmt.Sprintf("id: %d\ndata: %s\n\n", n, strings.Repeat("x", 20<<10)) }})
	})
	t.Run("endless, as fast as it can", func(t *testing.T) {
		TestHandler(t, feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			for n := lastID(r) + 1; r.Method == http.MethodGet && r.Context().Err() == nil; n++ {
				fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
				_ = http.NewResponseController(w).Flush()
			}
			return true
		}})
	})
	t.Run("returns some time after its client", func(t *testing.T) {
		TestHandler(t, feed{sleep: func(r *http.Request, d time.Duration) bool {
			left := pause(r, d)
			if left {
				time.Sleep(29 * time.Second)
			}
			return left
		}})
	})
	t.Run("changes its header when it has been sent", func(t *testing.T) {
		TestHandler(t, feed{before: func(w http.ResponseWriter, _ *http.Request) bool {
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("Connection", "keep-alive")
			return false
		}})
	})
	t.Run("POST only", func(t *testing.T) {
		TestHandler(t, feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			if body, _ := io.ReadAll(r.Body); r.Method != http.MethodPost || string(body) != "question" {
				http.Error(w, "POST a question", http.StatusMethodNotAllowed)
				return true
			}
			return false
		}}, WithRequest(func(r *http.Request) {
			r.Method, r.Body, r.ContentLength = http.MethodPost, io.NopCloser(strings.NewReader("question")), int64(len("question"))
		}))
	})
	t.Run("behind a path, with a token", func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("GET /feed", feed{before: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") != "Bearer t" {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			return false
		}})
		mux.Handle("/", http.RedirectHandler("/feed", http.StatusTemporaryRedirect))
		TestHandler(t, mux, WithRequest(func(r *http.Request) { r.Header.Set("Authorization", "Bearer t") }))
	})
}

// TestHijackers: a handler that needs the connection itself does not work over HTTP/2.
func TestHijackers(t *testing.T) {
	if !http2InBubbles() {
		t.Skip("net/http's HTTP/2 server does not run in several bubbles before Go 1.26")
	}
	names, messages := caught(t, feed{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.ProtoMajor == 1 {
			return false // what follows would be written to the hijacked connection
		}
		_, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		return true
	}})
	require.Equal(t, []string{"HTTP/2"}, names)
	require.Contains(t, messages[0], `over HTTP/2 the status is "500 Internal Server Error", and 200 over HTTP/1.1; does the handler hijack the connection, which HTTP/2 does not have (http.Hijacker)?`)
}

// TestUnsentRequest: a request that cannot be sent is shown with the reason.
func TestUnsentRequest(t *testing.T) {
	names, messages := caught(t, feed{}, WithRequest(func(r *http.Request) { r.URL.Scheme = "sse" }))
	require.Subset(t, names, []string{"header at once"})
	require.Contains(t, messages[0], `unsupported protocol scheme "sse"`)
}

// TestWithPublish: what is published is numbered from 1.
func TestWithPublish(t *testing.T) {
	h := new(hub)
	var numbers []int
	_, messages := caught(t, h, WithPublish(func(n int) {
		numbers = append(numbers, n)
		h.publish(n)
	}))
	require.Empty(t, messages)
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1}, numbers[:11])
}

// TestWithout: what an option leaves out is skipped, and nothing else.
func TestWithout(t *testing.T) {
	never := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, test := range map[string]struct {
		handler feed
		option  Option
		without []string
	}{
		"IDs":        {feed{event: text("data: N\n\n"), first: func(*http.Request) int { return 0 }}, WithoutIDs("prices are of the moment"), []string{"IDs", "resumption", "unknown ID"}},
		"heartbeats": {feed{after: never}, WithoutHeartbeats("on one machine"), []string{"heartbeat"}},
		"proxies":    {feed{header: func(h http.Header) { h.Del("X-Accel-Buffering") }}, WithoutProxies("on one machine"), []string{"no proxy buffering"}},
	} {
		t.Run(name, func(t *testing.T) {
			names, _ := caught(t, test.handler)
			require.Subset(t, test.without, names)
			require.NotEmpty(t, names)
			TestHandler(t, test.handler, test.option)
			options := newHandlerOptions([]Option{test.option})
			require.Len(t, options.without, len(test.without))
			for _, name := range test.without {
				require.NotEmpty(t, options.without[name])
			}
		})
	}
}

// TestEvents finds where events end, however their lines end.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var chunks []chunk
		start := time.Now()
		for _, text := range []string{"da", "ta: 1\n", "\nretry: 1\n\n:\n\n", "data\r", "\r", "id: 1\r\ndata: 2\r\n", "\r\n", "\n\ndata: 3\n\ndata: 4\n\n", "data: 5\n"} {
			chunks = append(chunks, chunk{time.Now(), text})
			time.Sleep(time.Second)
		}
		var found []string
		for _, ev := range events(chunks) {
			found = append(found, fmt.Sprint(ev.end, " ", ev.at.Sub(start)))
		}
		require.Equal(t, []string{"9 2s", "28 4s", "46 6s", "57 7s", "66 7s"}, found)
		v := view{chunks: chunks}
		require.Equal(t, 1, v.arrived(start.Add(2*time.Second), 0), "at that moment")
		require.Equal(t, 2, v.arrived(start.Add(2*time.Second), 2*time.Second))
		require.Equal(t, 1, v.arrived(start.Add(2*time.Second+1), 2*time.Second))
	})
}

// TestHandlerItself runs TestHandler in another process, since a test cannot see how its own
// subtests fail.
func TestHandlerItself(t *testing.T) {
	switch os.Getenv("SSETEST_CHILD") {
	case "":
	case "not found":
		TestHandler(t, http.NotFoundHandler())
		return
	case "no response":
		TestHandler(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		return
	case "left out":
		TestHandler(t, feed{}, WithoutIDs("because of IDs"), WithoutHeartbeats("because of heartbeats"))
		return
	case "never returns":
		TestHandler(t, feed{sleep: func(r *http.Request, d time.Duration) bool {
			if pause(r, d) {
				select {}
			}
			return false
		}})
		return
	case "from before":
		stuckAfter = 50 * time.Millisecond
		before := make(chan int)
		TestHandler(t, feed{sleep: func(r *http.Request, _ time.Duration) bool {
			select {
			case <-before:
				return false
			case <-r.Context().Done():
				return true
			}
		}})
		return
	}
	child := func(t *testing.T, what string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestHandlerItself$", "-test.v", "-test.timeout", "1h")
		cmd.Env = append(os.Environ(), "SSETEST_CHILD="+what)
		return cmd
	}
	t.Run("not found", func(t *testing.T) {
		out, err := child(t, "not found").CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "--- FAIL: TestHandlerItself/media_type")
		require.Contains(t, string(out), `ssetest: the status is "404 Not Found"; only 200 opens an event stream`)
		require.Contains(t, string(out), "--- PASS: TestHandlerItself/HEAD")
	})
	t.Run("left out", func(t *testing.T) {
		out, err := child(t, "left out").CombinedOutput()
		require.NoError(t, err, string(out))
		left := 4
		if !http2InBubbles() {
			left++
		}
		require.Equal(t, left, strings.Count(string(out), "--- SKIP: TestHandlerItself/"), string(out))
		require.Equal(t, 3, strings.Count(string(out), "ssetest: left out: because of IDs"), string(out))
		require.Contains(t, string(out), "ssetest: left out: because of heartbeats")
	})
	t.Run("no response", func(t *testing.T) { // and so nothing for most subtests to look at
		out, err := child(t, "no response").CombinedOutput()
		require.Error(t, err)
		require.Equal(t, 1, strings.Count(string(out), "--- FAIL: TestHandlerItself/"), string(out))
		require.Contains(t, string(out), "--- FAIL: TestHandlerItself/header_at_once")
		require.Contains(t, string(out), "--- SKIP: TestHandlerItself/media_type")
		require.Contains(t, string(out), "ssetest: there was no response within 10m0s: see the subtests")
	})
	t.Run("never returns", func(t *testing.T) {
		out, err := child(t, "never returns").CombinedOutput()
		require.Error(t, err)
		require.NotContains(t, string(out), "panic")
		require.Equal(t, 1, strings.Count(string(out), "--- FAIL: TestHandlerItself/"), string(out))
		require.Contains(t, string(out), "--- FAIL: TestHandlerItself/client_leaves")
		require.Contains(t, string(out), "--- PASS: TestHandlerItself/second_client")
		require.Contains(t, string(out), "is still blocked at the end")
	})
	t.Run("from before", func(t *testing.T) { // it would hang until go test's time limit
		cmd := child(t, "from before")
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		line, err := bufio.NewReader(stderr).ReadString('\n')
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		require.Contains(t, line, "ssetest: TestHandlerItself/media_type: fake time has not passed for 50ms")
		require.Contains(t, line, "See ssetest.WithNew")
	})
}

// TestRecord: the header is the one that was sent, and chunks have a limit.
func TestRecord(t *testing.T) {
	r, h := new(record), make(http.Header)
	h.Set("A", "before")
	r.write(h, "")
	h.Set("A", "after")
	for range 10 {
		r.write(h, strings.Repeat("x", maxObserved/2))
	}
	require.Equal(t, "before", r.header.Get("A"))
	require.Len(t, r.chunks, 2)
	(*record)(nil).write(h, "") // a server that no trial has
}
