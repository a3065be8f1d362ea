package ssetest_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// In a test, t is its *testing.T, and the test's end is the server's.
func ExampleTake() {
	t := begin()
	defer t.end()

	feed := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": welcome\n\nid: 1\ndata: one\n\nid: 2\ndata: two\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	srv := ssetest.NewServer(t, http.HandlerFunc(feed))
	client := sse.Client{HTTPClient: srv.Client()}
	for _, ev := range ssetest.Take(t, client.Get(t.Context(), srv.URL()), 2) {
		fmt.Println(ev.LastEventID, ev.Data)
	}
	// Output:
	// 1 one
	// 2 two
}

// A Reader stays on one stream: publish, expect, publish again, and expect what follows.
func ExampleReader() {
	t := begin()
	defer t.end()

	b := new(board)
	srv := ssetest.NewServer(t, b)
	client := sse.Client{HTTPClient: srv.Client()}
	r := ssetest.Open(t, client.Get(t.Context(), srv.URL()))
	r.NoEvents(10 * time.Millisecond) // which opens the stream

	b.publish("one")
	fmt.Println(r.Take(1)[0].Data)
	b.publish("two")
	b.publish("three")
	fmt.Println(r.Await("three").Data)
	// Output:
	// one
	// three
}

// A server that follows a script shows what a client does when it is cut off.
func ExampleNewScriptedServer() {
	t := begin()
	defer t.end()

	srv := ssetest.NewScriptedServer(t,
		func(c *ssetest.Conn) {
			c.Write("retry: 10\n")
			c.Send(sse.Event{Data: "a", LastEventID: "1"})
			c.Write("data: cut off")
			c.Abort()
		},
		func(c *ssetest.Conn) { c.Send(sse.Event{Data: "b", LastEventID: "2"}) },
	)
	client := sse.Client{HTTPClient: srv.Client()}
	for ev, err := range client.Get(t.Context(), srv.URL()) {
		fmt.Println(ev.Data, err)
	}
	for _, r := range srv.Requests() {
		fmt.Printf("asked for what follows %q\n", r.Header.Get("Last-Event-ID"))
	}
	// Output:
	// a <nil>
	// b <nil>
	// asked for what follows ""
	// asked for what follows "1"
	// asked for what follows "2"
}

// A recording shows what a server did in a bad hour. The test's client must cope with it.
func ExampleReplay() {
	t := begin()
	defer t.end()
	srv := ssetest.Replay(t, "testdata/restart.txt")
	client := sse.Client{HTTPClient: srv.Client(), ReconnectionTime: 10 * time.Millisecond}
	for ev, err := range client.Get(t.Context(), srv.URL()) {
		fmt.Println(ev.Data, err)
	}
	for _, r := range srv.Requests() {
		fmt.Printf("asked for what follows %q\n", r.Header.Get("Last-Event-ID"))
	}
	// Output:
	// one <nil>
	// two <nil>
	// three <nil>
	// asked for what follows ""
	// asked for what follows "2"
	// asked for what follows "2"
	// asked for what follows "3"
}

// A file has what a handler is to send. The time in the data is different in each run, so
// that it is replaced.
func ExampleGolden() {
	t := begin()
	defer t.end()
	feed := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		now := time.Now().Format(time.TimeOnly)
		fmt.Fprintf(w, "event: opened\nid: 1\ndata: a.txt at %s\n\nevent: closed\nid: 2\ndata: a.txt at %s\n\n", now, now)
	}
	clock := regexp.MustCompile(`\d\d:\d\d:\d\d`)
	withoutTime := func(ev sse.Event) sse.Event {
		ev.Data = clock.ReplaceAllString(ev.Data, "[time]")
		return ev
	}
	srv := ssetest.NewServer(t, http.HandlerFunc(feed))
	client := sse.Client{HTTPClient: srv.Client()}
	last := func(ev sse.Event) bool { return ev.Type == "closed" }
	ssetest.Golden(t, "testdata/feed.txt", sse.Until(client.Get(t.Context(), srv.URL()), last), withoutTime)

	file, _ := os.ReadFile("testdata/feed.txt")
	fmt.Print(string(file))
	// Output:
	// sse-recording 1
	// 0s         1 connect
	// 0s         1 event opened "a.txt at [time]" id "1"
	// 0s         1 event closed "a.txt at [time]" id "2"
	// 0s         1 end
}
