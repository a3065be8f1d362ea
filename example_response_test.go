package sse_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lastevent/sse"
)

// Some servers send an event stream as text/plain, or without a Content-Type. If you know
// that a server does, let CheckResponse correct the media type, and leave the status and the
// content coding to the default check.
func ExampleCheckResponse() {
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/plain":
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		case "/none":
			w.Header()["Content-Type"] = nil
		case "/html":
			w.Header().Set("Content-Type", "text/html")
		default:
			http.Error(w, "no such feed", http.StatusNotFound) // which is text/plain, too
			return
		}
		fmt.Fprint(w, "event: bye\ndata: one\n\n")
	}))
	defer feed.Close()

	client := sse.Client{
		CheckResponse: func(resp *http.Response) error {
			contentType := resp.Header.Get("Content-Type")
			mediaType, _, _ := mime.ParseMediaType(contentType)
			if resp.StatusCode == http.StatusOK && (contentType == "" || mediaType == "text/plain") {
				corrected := *resp
				corrected.Header = resp.Header.Clone()
				corrected.Header.Set("Content-Type", "text/event-stream")
				return sse.CheckResponse(&corrected)
			}
			return sse.CheckResponse(resp)
		},
	}
	for _, path := range []string{"/plain", "/none", "/html", "/missing"} {
		for ev, err := range client.Get(context.Background(), feed.URL+path) {
			if err != nil {
				fmt.Println(strings.ReplaceAll(err.Error(), feed.URL, "https://feed.example"))
				break
			}
			fmt.Println(path, ev.Data)
			if ev.Type == "bye" {
				break
			}
		}
	}
	// Output:
	// /plain one
	// /none one
	// sse: GET https://feed.example/html: 200 OK without an event stream (Content-Type "text/html", Content-Encoding ""): "event: bye\ndata: one"
	// sse: GET https://feed.example/missing: 404 Not Found: "no such feed"
}

// An rpcMessage is a message of JSON-RPC: a notification if it has a method, or else an
// answer.
type rpcMessage struct {
	Method string
	Result json.RawMessage
	Error  *struct{ Message string }
}

// answer returns the result or the error of an answer.
func (m rpcMessage) answer() (json.RawMessage, error) {
	if m.Error != nil {
		return nil, errors.New(m.Error.Message)
	}
	return m.Result, nil
}

// errAnswered ends the stream of a response that was the answer itself.
var errAnswered = errors.New("the server answered with JSON")

// callTool makes a call and returns its result. It prints the notifications that come
// before the result. The client is a copy, whose CheckResponse serves this call only.
func callTool(ctx context.Context, client sse.Client, url, call string) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(call))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")

	var answer rpcMessage
	client.CheckResponse = func(resp *http.Response) error {
		mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if resp.StatusCode != http.StatusOK || mediaType != "application/json" {
			return sse.CheckResponse(resp)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // to its end, so that the connection can be used again
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		return errAnswered
	}
	for m, err := range sse.Decode[rpcMessage](client.Events(req)) {
		switch {
		case errors.Is(err, errAnswered):
			return answer.answer()
		case err != nil:
			return nil, err
		case m.Method == "":
			return m.answer()
		}
		fmt.Println(m.Method)
	}
	return nil, errors.New("the stream ended without an answer")
}

// A server of the Model Context Protocol answers a POST with a stream of messages or with a
// single JSON message. CheckResponse decodes the single message and returns an error, which
// ends the stream: under the default policy, any error of CheckResponse that is no
// [*sse.ResponseError] does.
func ExampleCheckResponse_json() {
	tools := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/quick" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"jsonrpc": "2.0", "id": 1, "result": {"sum": 5}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: {\"jsonrpc\": \"2.0\", \"method\": \"notifications/progress\"}\n\n")
		fmt.Fprint(w, "data: {\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": {\"sum\": 6}}\n\n")
	}))
	defer tools.Close()

	client := sse.Client{IdleTimeout: time.Minute} // it also bounds what CheckResponse reads
	for _, path := range []string{"/quick", "/slow"} {
		result, err := callTool(context.Background(), client, tools.URL+path, `{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}`)
		fmt.Printf("%s %v\n", result, err)
	}
	// Output:
	// {"sum": 5} <nil>
	// notifications/progress
	// {"sum": 6} <nil>
}

// A program that has sent the request itself, here to read a header first, continues with
// the response. It calls CheckResponse, because Continue checks nothing. Later connections
// are made for the request that Continue is given; with nil there are none.
func ExampleClient_Continue() {
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Session", "s-1")
		feed(w, r)
	}))
	defer feed.Close()

	req, err := http.NewRequest(http.MethodGet, feed.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req) // which has no Timeout: that would cut the stream
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := sse.CheckResponse(resp); err != nil {
		fmt.Println(err) // CheckResponse has closed the body
		return
	}
	fmt.Println("session", resp.Header.Get("X-Session"))

	stream := new(sse.Client).Continue(resp, req)
	for ev, err := range stream.Events() { // which closes the stream, and the body, at the end
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(ev.LastEventID, ev.Data)
	}
	// Output:
	// session s-1
	// 1 one
	// 2 two
	// 3 three
}

// A Stream reads a busy feed without allocating for each event. What Data returns is valid
// until the next call to Next, which is long enough to write it to a file.
func ExampleStream() {
	feed := httptest.NewServer(http.HandlerFunc(feed))
	defer feed.Close()

	req, err := http.NewRequest(http.MethodGet, feed.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	stream := new(sse.Client).Stream(req)
	defer stream.Close()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		err := stream.Next()
		if err == io.EOF {
			return // the stream is over
		}
		if err != nil {
			fmt.Fprintln(out, err)
			return
		}
		if stream.Type() == "message" {
			out.Write(stream.Data())
			out.WriteByte('\n')
		}
	}
	// Output:
	// one
	// two
	// three
}

// When the credentials have changed, or the network has, another goroutine restarts the
// stream, which connects again at once and resumes after the last handled event.
func ExampleStream_Restart() {
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "id: %s1\ndata: for %s\n\n", r.Header.Get("Last-Event-ID"), r.Header.Get("Authorization"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer feed.Close()

	var token atomic.Value
	token.Store("Bearer old")
	client := sse.Client{
		Prepare: func(r *http.Request) error {
			r.Header.Set("Authorization", token.Load().(string))
			return nil
		},
		Trace: &sse.Trace{Disconnect: func(info sse.DisconnectInfo) {
			if info.Reconnect {
				fmt.Println("reconnect after", info.LastEventID, "because of", info.Err)
			}
		}},
	}
	req, err := http.NewRequest(http.MethodGet, feed.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	stream := client.Stream(req)

	tokens := make(chan string) // from the service that issues them
	var wg sync.WaitGroup
	wg.Go(func() {
		for t := range tokens {
			token.Store(t)
			stream.Restart(errors.New("a new token"))
		}
	})
	for ev, err := range stream.Events() {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println("event", ev.LastEventID, ev.Data)
		if ev.LastEventID == "11" {
			break
		}
		tokens <- "Bearer new"
	}
	close(tokens)
	wg.Wait()
	// Output:
	// event 1 for Bearer old
	// reconnect after 1 because of a new token
	// event 11 for Bearer new
}
