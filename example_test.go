package sse_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// tail prints a feed's events, for as long as it takes.
func tail(ctx context.Context, url string) error {
	for ev, err := range sse.Get(ctx, url) {
		if err != nil {
			return err // the stream is over; drops that reconnecting fixes never reach you
		}
		fmt.Println(ev.LastEventID, ev.Type, ev.Data)
	}
	return nil
}

func ExampleGet() {
	feed := httptest.NewServer(http.HandlerFunc(feed))
	defer feed.Close()

	if err := tail(context.Background(), feed.URL); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 message one
	// 2 message two
	// 3 message three
}

// feed is an HTTP handler that serves an event stream: it cuts its connections after two
// events, resumes after Last-Event-ID, and answers 204 when there is no more.
func feed(w http.ResponseWriter, r *http.Request) {
	events := []string{"one", "two", "three"}
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if last == len(events) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	fmt.Fprint(w, "retry: 20\n\n")
	for i := last; i < min(last+2, len(events)); i++ {
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", i+1, events[i])
		_ = http.NewResponseController(w).Flush()
	}
}

// ask prints the answer of a language model as it is made. The request is the POST of the
// question, with "stream": true.
func ask(req *http.Request) error {
	type chunk struct {
		Choices []struct{ Delta struct{ Content string } }
		Error   *struct{ Message string } // some services fail in the middle of an answer
	}
	client := sse.Client{IdleTimeout: time.Minute} // a POST is never sent twice, unless you say so
	for c, err := range sse.Decode[chunk](client.Events(req), "[DONE]") {
		if err != nil {
			return explain(err)
		}
		if c.Error != nil {
			return errors.New(c.Error.Message)
		}
		for _, choice := range c.Choices {
			fmt.Print(choice.Delta.Content)
		}
	}
	return nil // the answer is complete: without its [DONE] the loop would have ended with an error
}

// explain adds the service's own message to an error: from the body of a refusal, or from
// text that came in place of events.
func explain(err error) error {
	var text []byte
	var refusal *sse.ResponseError
	var unfinished *sse.UnfinishedError
	switch {
	case errors.As(err, &refusal):
		text = refusal.Body
	case errors.As(err, &unfinished):
		text = []byte(unfinished.Text)
	}
	var service struct{ Error struct{ Message string } }
	if json.Unmarshal(text, &service) == nil && service.Error.Message != "" {
		return fmt.Errorf("%s: %w", service.Error.Message, err)
	}
	return err
}

func ExampleClient_Events_llm() {
	const chunk = `data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}` + "\n\n"
	answers := map[string]string{
		"/complete":  chunk + "data: [DONE]\n\n",
		"/truncated": chunk,
		"/error":     chunk + `data: {"error":{"message":"overloaded"}}` + "\n\n",
		"/bare":      `{"error":{"message":"no such model"}}`,
	}
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, `{"error":{"message":"invalid key"}}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, answers[r.URL.Path])
	}))
	defer model.Close()

	question := func(path, key string) {
		req, err := http.NewRequest(http.MethodPost, model.URL+path, strings.NewReader(`{"stream":true,"messages":[]}`))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		err = ask(req)
		fmt.Println()
		if err != nil { // its address is another in each run
			fmt.Println(strings.ReplaceAll(err.Error(), model.URL, "https://api.example"))
		}
	}
	for _, path := range []string{"/complete", "/truncated", "/error", "/bare"} {
		question(path, "secret")
	}
	question("/complete", "guess")
	// Output:
	// Hello
	// Hello
	// sse: the stream ended early
	// Hello
	// overloaded
	//
	// no such model: sse: the stream ended early, after text that is no event: "{\"error\":{\"message\":\"no such model\"}}"
	//
	// invalid key: sse: POST https://api.example/complete: 401 Unauthorized: "{\"error\":{\"message\":\"invalid key\"}}"
}

// TestFeed tests a handler that serves events. In the bubble time is fake: hours of a
// stream pass at once.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t, http.HandlerFunc(feed))
		client := sse.Client{HTTPClient: srv.Client()}
		got := ssetest.Take(t, client.Get(t.Context(), srv.URL()), 3)
		if got[2].Data != "three" {
			t.Errorf("got %v", got)
		}
	})
}

// TestHandler has a subtest for each thing that clients and proxies need of a handler:
// events that are flushed at once, heartbeats, resumption, an end when the client leaves …
func TestHandler(t *testing.T) { ssetest.TestHandler(t, http.HandlerFunc(feed)) }

// TestCount tests a program that reads events, against a server that follows a script.
func TestCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
			func(c *ssetest.Conn) {
				c.Send(sse.Event{Data: "a", LastEventID: "1"})
				c.Write("data: lost")
				c.Abort()
			},
			func(c *ssetest.Conn) { c.Status(http.StatusServiceUnavailable, "restarting") },
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: "b", LastEventID: "2"}) },
		)
		n, err := count(t.Context(), &sse.Client{HTTPClient: srv.Client()}, srv.URL())
		if n != 2 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		if id := srv.Requests()[2].Header.Get("Last-Event-ID"); id != "1" {
			t.Errorf("resumed after %q", id)
		}
	})
}

// count is a program that reads events.
func count(ctx context.Context, client *sse.Client, url string) (n int, err error) {
	for _, err := range client.Get(ctx, url) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// watch calls listeners for a feed's events, as a browser does.
func watch(ctx context.Context, url string) error {
	es, err := sse.NewEventSource(url)
	if err != nil {
		return err
	}
	es.OnOpen(func(*http.Response) { fmt.Println("open") })
	es.OnMessage(func(ev sse.Event) { fmt.Println("message", ev.Data) })
	es.OnError(func(err error) { fmt.Println("error:", err, es.ReadyState()) })
	es.AddEventListener("shutdown", func(sse.Event) { es.Close() })
	return es.Run(ctx) // on this goroutine, until the end
}

func ExampleEventSource() {
	feed := httptest.NewServer(http.HandlerFunc(feed))
	defer feed.Close()

	if err := watch(context.Background(), feed.URL); err != nil {
		fmt.Println(err)
	}
	// Output:
	// open
	// message one
	// message two
	// error: EOF CONNECTING
	// open
	// message three
	// error: EOF CONNECTING
	// error: sse: 204 No Content CLOSED
}

// The EventSource of a Client has the client's policy, waits, limits and hooks.
func ExampleClient_EventSource() {
	feed := httptest.NewServer(http.HandlerFunc(feed))
	defer feed.Close()

	req, err := http.NewRequest(http.MethodGet, feed.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Authorization", "Bearer secret") // which a browser's cannot do
	client := sse.Client{IdleTimeout: time.Minute}
	es := client.EventSource(req)
	remove := es.AddEventListener("message", func(ev sse.Event) { fmt.Println("first", ev.Data) })
	es.OnMessage(func(ev sse.Event) {
		fmt.Println("second", ev.Data)
		remove()
	})
	if err := es.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// first one
	// second one
	// second two
	// second three
}

// Each event's data is a JSON value, until the stop word.
func ExampleDecode() {
	body := strings.NewReader("data: {\"price\": 99.5}\n\ndata: {\"price\": 101}\n\ndata: [DONE]\n\n")
	for quote, err := range sse.Decode[struct{ Price float64 }](sse.Read(body), "[DONE]") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(quote.Price)
	}
	// Output:
	// 99.5
	// 101
}

// A token that has expired is fetched anew: the policy reconnects after a 401 once, and Prepare
// puts the new token on each attempt.
func ExampleClient_tokenRefresh() {
	requests := 0
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests > 1 && r.Header.Get("Authorization") != "Bearer 2" {
			http.Error(w, "token expired", http.StatusUnauthorized)
			return
		}
		feed(w, r)
	}))
	defer feed.Close()

	token, fresh := 1, false // fresh: nothing has been refused with it
	client := sse.Client{
		Prepare: func(r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+strconv.Itoa(token))
			return nil
		},
		Reconnect: func(err error) bool {
			var refused *sse.ResponseError
			if errors.As(err, &refused) && refused.StatusCode == http.StatusUnauthorized && !fresh {
				token, fresh = token+1, true
				return true
			}
			return sse.Transient(err)
		},
		Trace: &sse.Trace{Open: func(*http.Response) { fresh = false }},
	}
	for ev, err := range client.Get(context.Background(), feed.URL) {
		fmt.Println(ev.Data, err)
	}
	fmt.Println(requests, "requests, one of them refused")
	// Output:
	// one <nil>
	// two <nil>
	// three <nil>
	// 4 requests, one of them refused
}

// A program that must lose nothing keeps the ID of the last event that it has processed,
// and starts from it after a crash.
func ExampleClient_Events_durable() {
	feed := httptest.NewServer(http.HandlerFunc(feed))
	defer feed.Close()
	saved := "1" // from the last run

	req, err := http.NewRequest(http.MethodGet, feed.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Last-Event-ID", saved)
	for ev, err := range new(sse.Client).Events(req) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("process", ev.Data)
		saved = ev.LastEventID // after the event has been processed, never before
	}
	fmt.Println("saved", saved)
	// Output:
	// process two
	// process three
	// saved 3
}

// A daemon waits for its server, notices one that vanished, fetches a token for each
// attempt, and logs what its stream goes through.
func ExampleClient() {
	feed := httptest.NewServer(http.HandlerFunc(feed))
	defer feed.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: dropTimes}))

	client := sse.Client{
		Reconnect:   sse.Transient, // from the first attempt on
		IdleTimeout: time.Minute,   // the server sends comments more often than that
		Prepare: func(r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+newToken())
			return nil
		},
		Trace: &sse.Trace{
			Open: func(r *http.Response) { logger.Info("open", "status", r.StatusCode) },
			Disconnect: func(info sse.DisconnectInfo) {
				logger.Info("disconnect", "err", info.Err, "again", info.Reconnect, "in", info.Delay, "after", info.LastEventID)
			},
		},
	}
	for ev, err := range client.Get(context.Background(), feed.URL) {
		if err != nil {
			logger.Error("the stream has ended", "err", err)
			return
		}
		logger.Info("event", "data", ev.Data)
	}
	// Output:
	// level=INFO msg=open status=200
	// level=INFO msg=event data=one
	// level=INFO msg=event data=two
	// level=INFO msg=disconnect err=EOF again=true after=2
	// level=INFO msg=open status=200
	// level=INFO msg=event data=three
	// level=INFO msg=disconnect err=EOF again=true after=3
	// level=INFO msg=disconnect err=<nil> again=false after=3
}

func newToken() string { return "t" }

// dropTimes leaves out what differs from run to run.
func dropTimes(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == "in" {
		return slog.Attr{}
	}
	return a
}

// Your own policy, and waits that are all equal and give up after two of them.
func ExampleClient_policy() {
	requests := 0
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests > 1 {
			http.Error(w, "moving house", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "retry: 10\ndata: one\n\n")
	}))
	defer feed.Close()

	client := sse.Client{
		Reconnect: func(err error) bool {
			var refused *sse.ResponseError
			if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound {
				return true // this feed is known to return
			}
			return sse.Transient(err)
		},
		NewBackoff: func(initial time.Duration) sse.Backoff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(initial), 2)
		},
	}
	for ev, err := range client.Get(context.Background(), feed.URL) {
		if err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), feed.URL, "https://feed.example"))
			break
		}
		fmt.Println(ev.Data)
	}
	fmt.Println(requests, "requests")
	// Output:
	// one
	// sse: giving up: sse: GET https://feed.example: 404 Not Found: "moving house"
	// 3 requests
}

// A body that is there already needs no client.
func ExampleRead() {
	body := strings.NewReader(": welcome\n\nevent: greeting\ndata: hello\ndata: world\n\ndata: cut off")
	for ev, err := range sse.Read(body) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %q\n", ev.Type, ev.Data)
	}
	// Output:
	// greeting: "hello\nworld"
	// sse: the stream ended inside an event: type "message", ID "", data "cut off"
}

// The Parser allocates nothing for an event: its data is borrowed until the next one.
func ExampleParser() {
	p := sse.NewParser(strings.NewReader("retry: 5000\nid: 7\ndata: a\n\nid: 8\n\n"))
	p.MaxEventSize = 1 << 20
	bytes := 0
	for {
		err := p.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		bytes += len(p.Data())
	}
	retry, _ := p.Retry()
	fmt.Println(bytes, "byte of data; resume after", p.LastEventID(), "in", retry)
	// Output: 1 byte of data; resume after 8 in 5s
}

// A server writes events in their wire form.
func ExampleEvent_AppendText() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		text, err := sse.Event{Type: "update", Data: "two\nlines", LastEventID: "1"}.AppendText(nil)
		if err != nil { // an ID with a line end in it, say
			panic(err)
		}
		_, _ = w.Write(text)
	}
	rec := httptest.NewRecorder()
	handler(rec, nil)
	fmt.Print(rec.Body)
	// Output:
	// event: update
	// id: 1
	// data: two
	// data: lines
}
