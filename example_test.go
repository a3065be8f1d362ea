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
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/lastevent/sse"
)

// tail prints a feed's events, for as long as it takes.
func tail(ctx context.Context, url string) error {
	for ev, err := range sse.Get(ctx, url) {
		if err != nil {
			return err // the end; whatever a new connection cures is not seen here
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
	fmt.Fprint(w, "retry: 20\n\n")
	for i := last; i < min(last+2, len(events)); i++ {
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", i+1, events[i])
	}
}

// ask prints the answer of a language model as it is made.
func ask(ctx context.Context, url, key, question string) error {
	body, err := json.Marshal(map[string]any{
		"model": "m-1", "stream": true,
		"messages": []any{map[string]string{"role": "user", "content": question}},
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")

	client := sse.Client{IdleTimeout: time.Minute} // a POST is never sent twice, unless you say so
	for ev, err := range client.Events(req) {
		if err != nil {
			return err // *sse.ResponseError holds the status, header and body of a refusal
		}
		if ev.Data == "[DONE]" {
			return nil
		}
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if err := json.Unmarshal([]byte(ev.Data), &chunk); err != nil {
			return err
		}
		for _, choice := range chunk.Choices {
			fmt.Print(choice.Delta.Content)
		}
	}
	return io.ErrUnexpectedEOF // without [DONE] the answer is not whole
}

func ExampleClient_Events_llm() {
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, `{"error": "invalid key"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, word := range []string{"Hel", "lo", " there.\\n"} {
			fmt.Fprintf(w, `data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}`+"\n\n", word)
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	}))
	defer model.Close()

	fmt.Println(ask(context.Background(), model.URL, "secret", "Hello?"))
	fmt.Println(ask(context.Background(), model.URL, "guess", "Hello?"))
	// Output:
	// Hello there.
	// <nil>
	// sse: 401 Unauthorized: "{\"error\": \"invalid key\"}"
}

// TestFeed tests a handler that serves events, as its clients see it.
func TestFeed(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(feed))
	defer srv.Close()

	var got []string
	for ev, err := range sse.Get(t.Context(), srv.URL) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ev.Data)
	}
	if strings.Join(got, " ") != "one two three" {
		t.Errorf("got %q", got)
	}
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

// A policy of one's own, and waits that are all alike and give up after two in a row.
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
				return true // this feed is known to come back
			}
			return sse.Transient(err)
		},
		NewBackoff: func(initial time.Duration) sse.Backoff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(initial), 2)
		},
	}
	for ev, err := range client.Get(context.Background(), feed.URL) {
		fmt.Println(ev.Data, err)
	}
	fmt.Println(requests, "requests")
	// Output:
	// one <nil>
	//  sse: giving up: sse: 404 Not Found: "moving house"
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
	// unexpected EOF
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
