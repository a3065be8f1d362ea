package ssetest_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// TestStreamsEnd: the end of a test ends its streams, whatever they wait for, whatever
// their policy, and without a context that ends.
func TestStreamsEnd(t *testing.T) {
	policies := map[string]sse.Client{
		"default policy": {},
		"policy that always reconnects": {
			Reconnect:  func(error) bool { return true },
			NewBackoff: func(time.Duration) sse.Backoff { return backoff.NewConstantBackOff(time.Millisecond) },
		},
	}
	scripts := map[string]ssetest.Script{
		"header":     (*ssetest.Conn).Wait,
		"event":      func(c *ssetest.Conn) { c.Write("data: 1\n\n"); c.Wait() },
		"line":       func(c *ssetest.Conn) { c.Write("data: 1\n\ndata: 2\n"); c.Wait() },
		"connection": func(c *ssetest.Conn) { c.Write("retry: 10\n\ndata: 1\n\n"); c.Abort() },
	}
	for policy, client := range policies {
		for what, script := range scripts {
			t.Run(policy+", waits for the "+what, func(t *testing.T) {
				inAndOut(t, func(t *testing.T) {
					f := ssetest.NewFakeTB(t)
					srv := ssetest.NewScriptedServer(f, slices.Repeat([]ssetest.Script{script}, 1000)...)
					client := client
					client.HTTPClient = srv.Client()
					ended := false
					var last error
					r := ssetest.Open(f, func(yield func(sse.Event, error) bool) {
						for ev, err := range client.Get(context.Background(), srv.URL()) {
							if last = err; !yield(ev, err) {
								break
							}
						}
						ended = true
					})
					if what != "header" {
						r.Take(1)
					}
					f.Run(func() { r.NoEvents(5 * time.Millisecond) })
					f.Messages()
					f.End()
					require.Empty(t, f.Messages())
					require.True(t, ended)
					if what == "header" {
						require.NoError(t, last)
					}
				})
			})
		}
	}
}

type softTB struct{ *ssetest.FakeTB }

func (f *softTB) Fatalf(format string, args ...any) { f.Errorf(format, args...) }

// TestNoEventsEndsItsOwnStream, and no other of the same server: not that of a Reader that
// waits, nor one that no Reader has. The server may be another test's.
func TestNoEventsEndsItsOwnStream(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		b := new(board)
		srv := ssetest.NewServer(t, b)
		client := sse.Client{HTTPClient: srv.Client()}
		deep := func(yield func(sse.Event, error) bool) { // more frames than are looked at at once
			var dive func(int)
			dive = func(n int) {
				if n > 0 {
					dive(n - 1)
					return
				}
				client.Get(t.Context(), srv.URL())(yield)
			}
			dive(1000)
		}

		readers := make([]*ssetest.Reader, 3)
		for i := range readers {
			readers[i] = ssetest.Open(t, client.Get(t.Context(), srv.URL()))
			readers[i].NoEvents(20 * time.Millisecond)
		}
		got := make(chan string, 1)
		go func() {
			for ev, err := range client.Get(t.Context(), srv.URL()) {
				got <- fmt.Sprint(ev.Data, err)
				return
			}
		}()
		audience := func(n int) {
			t.Helper()
			require.Eventually(t, func() bool { return b.audience() == n }, 10*time.Second, time.Millisecond)
		}
		audience(4)
		ssetest.NoEvents(t, client.Get(t.Context(), srv.URL()), 20*time.Millisecond)
		audience(4)
		ssetest.NoEvents(t, deep, 20*time.Millisecond)
		audience(4)

		f := ssetest.NewFakeTB(t) // a subtest, say
		other := ssetest.Open(f, client.Get(t.Context(), srv.URL()))
		other.NoEvents(20 * time.Millisecond)
		audience(5)
		f.End()
		audience(4)
		require.Empty(t, f.Messages())

		b.publish("a")
		for _, r := range readers {
			require.Equal(t, "a", r.Take(1)[0].Data)
		}
		require.Equal(t, "a<nil>", <-got)
		require.Len(t, srv.Requests(), 7, "a stream that was cut reconnects")
	})
}

// TestStreamOnAnotherGoroutine: NoEvents also ends a stream that is read elsewhere.
func TestStreamOnAnotherGoroutine(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		b := new(board)
		srv := ssetest.NewServer(t, b)
		client := sse.Client{HTTPClient: srv.Client()}
		elsewhere := func(yield func(sse.Event, error) bool) {
			type result struct {
				ev  sse.Event
				err error
			}
			results := make(chan result)
			go func() {
				defer close(results)
				for ev, err := range client.Get(t.Context(), srv.URL()) {
					results <- result{ev, err}
				}
			}()
			for res := range results {
				if !yield(res.ev, res.err) {
					break
				}
			}
			for range results {
			}
		}
		r := ssetest.Open(t, client.Get(t.Context(), srv.URL()))
		r.NoEvents(20 * time.Millisecond)
		ssetest.NoEvents(t, elsewhere, 20*time.Millisecond)
		require.Eventually(t, func() bool { return b.audience() == 1 }, 10*time.Second, time.Millisecond)
		b.publish("a")
		require.Equal(t, "a", r.Take(1)[0].Data)
		require.Len(t, srv.Requests(), 2)

		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL(), nil)
		require.NoError(t, err)
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, "later streams are not ended")
		require.NoError(t, resp.Body.Close())
	})
}

// TestNoEventsTakesItsTime, and no more, whatever the policy: the server can be used again.
func TestNoEventsTakesItsTime(t *testing.T) {
	for name, script := range map[string]ssetest.Script{
		"header": (*ssetest.Conn).Wait,
		"event":  func(c *ssetest.Conn) { c.Write(":\n"); c.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ssetest.NewScriptedServer(t, script, func(c *ssetest.Conn) { c.Send(sse.Event{Data: "a"}); c.Wait() })
				client := sse.Client{
					HTTPClient: srv.Client(),
					Reconnect:  func(error) bool { return true },
					NewBackoff: func(time.Duration) sse.Backoff { return backoff.NewConstantBackOff(time.Millisecond) },
				}
				start := time.Now()
				ssetest.NoEvents(t, client.Get(t.Context(), srv.URL()), time.Hour)
				require.InDelta(t, time.Hour, time.Since(start), float64(2*time.Second))
				require.Len(t, srv.Requests(), 1)
				require.Len(t, srv.Received(), 1, "an attempt that the kit answers is none of the test's")
				require.Equal(t, "a", ssetest.Take(t, client.Get(t.Context(), srv.URL()), 1)[0].Data)
			})
		})
	}
}

// TestStreamsOfNoReader end with the test, too: on connections of net/http and on one that a
// handler has taken over, whatever their policy, and without a context that ends.
func TestStreamsOfNoReader(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"waits": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"hijacks": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inAndOut(t, func(t *testing.T) {
				f := ssetest.NewFakeTB(t)
				srv := ssetest.NewServer(f, handler)
				client := sse.Client{
					HTTPClient: srv.Client(),
					Reconnect:  func(error) bool { return true },
					NewBackoff: func(time.Duration) sse.Backoff { return backoff.NewConstantBackOff(time.Millisecond) },
				}
				var last error
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					for _, err := range client.Get(context.Background(), srv.URL()) {
						last = err
					}
				}()
				t.Cleanup(func() {
					f.End()
					<-ended
				})
				require.Eventually(t, func() bool { return len(srv.Requests()) > 0 }, 10*time.Second, time.Millisecond)
				time.Sleep(5 * time.Millisecond)
				f.End()
				<-ended
				require.NoError(t, last)
				require.Empty(t, f.Messages())
			})
		})
	}
}

// TestLeavingAnEvent: a stream that is left at an event ends by itself, and no other is cut.
func TestLeavingAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(board)
		srv := ssetest.NewServer(t, b)
		go func() {
			for range (&sse.Client{HTTPClient: srv.Client()}).Get(context.Background(), srv.URL()) {
			}
		}()
		synctest.Wait()
		require.Len(t, ssetest.Take(t, sse.Read(strings.NewReader("data: 1\n\ndata: 2\n\n")), 1), 1)
		time.Sleep(time.Minute)
		require.Len(t, srv.Requests(), 1)
	})
}

// TestReaderOutlivesItsServer: a stream ends with the test of its server, though its Reader
// is another test's.
func TestReaderOutlivesItsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ssetest.NewFakeTB(t)
		srv := ssetest.NewServer(f, new(board))
		client := sse.Client{
			HTTPClient: srv.Client(),
			Reconnect:  func(error) bool { return true },
			NewBackoff: func(time.Duration) sse.Backoff { return backoff.NewConstantBackOff(time.Millisecond) },
		}
		r := ssetest.Open(t, client.Get(t.Context(), srv.URL()))
		r.NoEvents(time.Second)
		f.End()
		start := time.Now()
		r.NoEvents(time.Minute)
		require.Less(t, time.Since(start), 10*time.Second)
	})
}
