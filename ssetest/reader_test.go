package ssetest_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// A board sends each of its clients what is published.
type board struct {
	mu      sync.Mutex
	clients map[chan string]bool
}

func (b *board) publish(data string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.clients {
		c <- data
	}
}

func (b *board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := make(chan string, 10)
	b.mu.Lock()
	if b.clients == nil {
		b.clients = make(map[chan string]bool)
	}
	b.clients[c] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.clients, c)
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.(http.Flusher).Flush()
	for {
		select {
		case data := <-c:
			fmt.Fprintf(w, "event: %s\ndata: %s\n\n", data, data)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (b *board) audience() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.clients)
}

// TestReader publishes and expects in turn, on one stream.
func TestReader(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		b := new(board)
		srv := ssetest.NewServer(t, b)
		r := ssetest.Open(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()))
		require.Empty(t, r.Take(0))
		require.Empty(t, srv.Requests(), "the first call opens the stream")
		r.NoEvents(50 * time.Millisecond)
		require.Equal(t, 1, b.audience())
		b.publish("a")
		require.Equal(t, "a", r.Take(1)[0].Data)
		b.publish("b")
		b.publish("c")
		b.publish("d")
		require.Equal(t, "c", r.Await("c").Data)
		require.Equal(t, "d", r.Take(1)[0].Data)
		r.NoEvents(50 * time.Millisecond)
		b.publish("e")
		require.Equal(t, "e", r.Take(1)[0].Data)
		require.Len(t, srv.Requests(), 1)
	})
}

// TestReaderTimesOut: a call that waits in vain ends nothing, though its test has failed.
func TestReaderTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(board)
		f := ssetest.NewFakeTB(t)
		srv := ssetest.NewServer(t, b)
		r := ssetest.Open(f, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()))
		for range 2 {
			f.Run(func() { r.Take(1) })
			require.Contains(t, first(t, f), "want 1 events, got 0, then nothing for 168h0m0s")
		}
		b.publish("a")
		require.Equal(t, "a", r.Take(1)[0].Data)
		require.Len(t, srv.Requests(), 1)
		f.End()
		synctest.Wait()
		require.Zero(t, b.audience(), "the end of the test ends the stream")
	})
}

// TestReaderHandles: an event counts as handled when the next one is asked for.
func TestReaderHandles(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
			func(c *ssetest.Conn) { c.Write("retry: 10\nid: 1\ndata: a\n\n"); c.Wait() },
			func(c *ssetest.Conn) {
				c.Write("id: 2\ndata: " + c.Request().Header.Get("Last-Event-ID") + "\n\n")
				c.Wait()
			},
		)
		r := ssetest.Open(t, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()))
		require.Equal(t, "a", r.Take(1)[0].Data)
		srv.CloseConnections()
		require.Equal(t, "1", r.Take(1)[0].Data)
	})
}

// TestReaderAtTheEnd: a stream that has ended stays so.
func TestReaderAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ssetest.NewFakeTB(t)
		r := ssetest.Open(f, sse.Read(strings.NewReader("data:1\n\n")))
		require.Len(t, r.Take(1), 1)
		r.NoEvents(time.Hour) // which is no failure
		f.Run(func() { r.Take(1) })
		require.Contains(t, first(t, f), "want 1 events, got 0, then the stream ended without an error")
		f.Run(func() { r.Await("e") })
		require.Contains(t, first(t, f), `want an event of type "e", got 0 others, then the stream ended without an error`)
		f.End()

		r = ssetest.Open(f, sse.Read(strings.NewReader("data: 1\n\ndata: 2\n\n")))
		require.Len(t, r.Take(1), 1)
		f.End() // after which another cleanup may still use the Reader
		f.Run(func() { r.Take(1) })
		require.Contains(t, first(t, f), "want 1 events, got 0, then the stream ended without an error")

		r = ssetest.Open(f, func(yield func(sse.Event, error) bool) { yield(sse.Event{}, errors.New("broken")) })
		f.Run(func() { r.NoEvents(time.Hour) })
		require.Contains(t, first(t, f), "got none, then the stream ended: broken")
		f.Run(func() { r.NoEvents(time.Hour) })
		require.Contains(t, first(t, f), "got none, then the stream ended: broken")
		f.End()
		require.Empty(t, f.Messages())
	})
}

// TestReadersSequence: what the sequence does to its goroutine, it does to the test's.
func TestReadersSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ssetest.NewFakeTB(t)
		require.PanicsWithValue(t, "oh", func() {
			ssetest.Take(f, func(func(sse.Event, error) bool) { panic("oh") }, 1)
		})
		f.Run(func() {
			ssetest.Take(f, func(func(sse.Event, error) bool) { f.Fatalf("not like this") }, 1)
			f.Errorf("Take has returned")
		})
		require.Equal(t, "not like this", first(t, f))
		require.Empty(t, f.Messages(), "the failure is the sequence's")

		r := ssetest.Open(f, func(func(sse.Event, error) bool) { panic("once") })
		require.PanicsWithValue(t, "once", func() { r.Take(1) })
		require.NotPanics(t, f.End, "the test has had that panic already")
	})
}

// TestReaderFails: each of a Reader's methods fails when it should, and the test continues
// on the same stream.
func TestReaderFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(board)
		f := ssetest.NewFakeTB(t)
		srv := ssetest.NewServer(f, b)
		r := ssetest.Open(f, (&sse.Client{HTTPClient: srv.Client()}).Get(t.Context(), srv.URL()))
		r.NoEvents(time.Second)
		b.publish("a")
		f.Run(func() { r.NoEvents(time.Second) })
		require.Contains(t, first(t, f), "want no event within 1s, got one\nevents:\n  event a \"a\" id \"\"\nconnections:\n  0s: GET /: 200 OK\n    | event: a\n")
		b.publish("b")
		f.Run(func() { r.Take(2) })
		require.Contains(t, first(t, f), "want 2 events, got 1, then nothing for 168h0m0s\nevents:\n  event b \"b\" id \"\"\nconnections:\n")
		b.publish("c")
		f.Run(func() { r.Await("d") })
		require.Contains(t, first(t, f), "want an event of type \"d\", got 1 others, then nothing for 168h0m0s\nevents:\n  event c \"c\" id \"\"\nconnections:\n")
		b.publish("d")
		require.Equal(t, "d", r.Await("d").Data)
		require.Len(t, srv.Requests(), 1)
		f.End()
		require.Empty(t, f.Messages())
	})
}

// TestReaderLeft: a stream that does not end when the test has left it is an error.
func TestReaderLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) }) // it ends
		f := ssetest.NewFakeTB(t)
		r := ssetest.Open(f, func(yield func(sse.Event, error) bool) {
			yield(sse.Event{Type: "message"}, nil)
			time.Sleep(7*24*time.Hour + time.Second)
		})
		require.Len(t, r.Take(1), 1)
		f.End()
		require.Equal(t, "ssetest: a stream continues 168h0m0s after the test left it; give its request the test's Context", first(t, f))
	})
}

// TestFatalfThatReturns: a testing.TB of the caller's may have a Fatalf that returns.
func TestFatalfThatReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &softTB{ssetest.NewFakeTB(t)}
		one := func() *ssetest.Reader { return ssetest.Open(f, sse.Read(strings.NewReader("data: 1\n\n"))) }
		require.Len(t, one().Take(2), 1)
		require.Contains(t, first(t, f.FakeTB), "want 2 events, got 1")
		require.Zero(t, one().Await("e"))
		require.Contains(t, first(t, f.FakeTB), `want an event of type "e", got 1 others`)
		f.End()
	})
}
