package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// TestBroker is what to copy for a handler of your own.
func TestBroker(t *testing.T) {
	b := NewBroker(10)
	ssetest.TestHandler(t, b, ssetest.WithPublish(func(n int) {
		if err := b.Publish("number", fmt.Sprint(n)); err != nil {
			t.Error(err)
		}
	}))
}

// in runs a test with a server, in fake time.
func in(t *testing.T, size int, test func(t *testing.T, b *Broker, srv *ssetest.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(size)
		test(t, b, ssetest.NewServer(t, b))
	})
}

func publish(t *testing.T, b *Broker, data ...string) {
	t.Helper()
	for _, d := range data {
		if err := b.Publish("", d); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t *testing.T, srv *ssetest.Server) *ssetest.Reader {
	client := sse.Client{HTTPClient: srv.Client(), IdleTimeout: time.Minute}
	return ssetest.Open(t, client.Get(t.Context(), srv.URL()))
}

// expect takes events with this data, and returns the ID of the last one.
func expect(t *testing.T, r *ssetest.Reader, data ...string) (id string) {
	t.Helper()
	for i, ev := range r.Take(len(data)) {
		if ev.Data != data[i] {
			t.Fatalf("got %q, want %q", ev.Data, data[i])
		}
		id = ev.LastEventID
	}
	return id
}

func (b *Broker) audience() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.clients)
}

// TestResume: a client gets what was published while it was away, once and in order.
func TestResume(t *testing.T) {
	in(t, 10, func(t *testing.T, b *Broker, srv *ssetest.Server) {
		r := get(t, srv)
		r.NoEvents(time.Hour) // heartbeats are none
		publish(t, b, "a", "b", "c")
		expect(t, r, "a", "b", "c")
		srv.CloseConnections()
		publish(t, b, "d", "e")
		expect(t, r, "d", "e")
		r.NoEvents(time.Hour)
		start := time.Now()
		for range 1000 {
			publish(t, b, "f", "g")
			expect(t, r, "f", "g")
		}
		if d := time.Since(start); d > 0 {
			t.Errorf("events came %s late", d)
		}
		if n := len(srv.Requests()); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestAwayTooLong: after an ID that is not kept, of another run, or never sent, a client
// gets all that is kept.
func TestAwayTooLong(t *testing.T) {
	in(t, 2, func(t *testing.T, b *Broker, srv *ssetest.Server) {
		r := get(t, srv)
		r.NoEvents(time.Second)
		publish(t, b, "a")
		first := expect(t, r, "a")
		publish(t, b, "b", "c", "d")
		for id, want := range map[string][]string{
			first:                     {"c", "d"},
			b.run + "-1":              {"c", "d"}, // b, after which everything is kept
			b.run + "-2":              {"d"},
			b.run + "-4":              {"c", "d"},
			b.run + "--1":             {"c", "d"},
			"other-2":                 {"c", "d"},
			"nonsense":                {"c", "d"},
			strings.Repeat("9", 4000): {"c", "d"},
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Last-Event-ID", id)
			r := ssetest.Open(t, (&sse.Client{HTTPClient: srv.Client()}).Events(req))
			expect(t, r, want...)
			r.NoEvents(time.Second)
		}
	})
}

// TestSlowClients: a client that does not read is dropped, one that falls behind is
// dropped and starts where it can, and neither holds others up.
func TestSlowClients(t *testing.T) {
	big := strings.Repeat("x", 100<<10) // more than the connection buffers
	in(t, 4, func(t *testing.T, b *Broker, srv *ssetest.Server) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		stuck, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer stuck.Body.Close()
		slow, fast := get(t, srv), get(t, srv)
		slow.NoEvents(time.Second)
		fast.NoEvents(time.Second)
		if n := b.audience(); n != 3 {
			t.Fatalf("%d clients", n)
		}
		publish(t, b, "a")
		expect(t, slow, "a")
		expect(t, fast, "a")
		for range 8 { // slow does not read meanwhile, and stuck never does
			publish(t, b, big)
			expect(t, fast, big)
		}
		time.Sleep(writeTimeout)
		synctest.Wait()
		if n := b.audience(); n != 1 {
			t.Fatalf("%d clients, and not only the fast one", n)
		}
		publish(t, b, "b")
		expect(t, fast, "b")

		// What slow had received before it was dropped, and then what is kept.
		var got []string
		for len(got) == 0 || got[len(got)-1] != "b" {
			got = append(got, slow.Take(1)[0].Data)
		}
		if n := len(got); n < 4 || n > 8 {
			t.Errorf("the slow client got %d of the 9 events that followed, and 4 are kept", n)
		}
		if n := len(srv.Requests()); n != 4 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestLineBreaks of every kind become LF; a type cannot have any.
func TestLineBreaks(t *testing.T) {
	in(t, 1, func(t *testing.T, b *Broker, srv *ssetest.Server) {
		r := get(t, srv)
		r.NoEvents(time.Second)
		publish(t, b, "one\r\ntwo\rthree\n\nfour")
		expect(t, r, "one\ntwo\nthree\n\nfour")
		if err := b.Publish("a\nb", ""); err == nil {
			t.Error("a type of two lines is no error")
		}
		publish(t, b, "still alive")
		expect(t, r, "still alive")
	})
}

// TestMethods: events are for GET.
func TestMethods(t *testing.T) {
	in(t, 1, func(t *testing.T, _ *Broker, srv *ssetest.Server) {
		for method, status := range map[string]int{http.MethodHead: http.StatusOK, http.MethodPost: http.StatusMethodNotAllowed} {
			req, err := http.NewRequestWithContext(t.Context(), method, srv.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != status {
				t.Errorf("%s: %s", method, resp.Status)
			}
		}
	})
}

// TestServe: the whole program, over TCP. An interrupt ends it, and its streams.
func TestServe(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, l) }()
	var last error
	events := 0
	for ev, err := range (&sse.Client{Reconnect: func(error) bool { return false }}).Get(t.Context(), "http://"+l.Addr().String()+"/events") {
		if last = err; err == nil {
			if _, err := time.Parse(time.RFC3339, ev.Data); ev.Type != "time" || err != nil {
				t.Errorf("got %v", ev)
			}
			if events++; events == 2 {
				interrupt()
			}
		}
	}
	if events < 2 || last != nil {
		t.Errorf("%d events, then %v", events, last)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	interrupt()
	if err := listen(t.Context(), "no such address"); err == nil || errors.Is(err, http.ErrServerClosed) {
		t.Errorf("an address that cannot be listened on: %v", err)
	}
}
