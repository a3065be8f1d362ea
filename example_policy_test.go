package sse_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lastevent/sse"
)

// A POST whose work must not be done twice can still be sent again after 429 and 503, if the
// service documents that it has then done no work. After any other error, including a
// connection that was cut in the middle of the answer, the stream ends.
func ExampleClient_retryOnlyRefusals() {
	var received []string // the body of each request
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received = append(received, string(body))
		switch len(received) {
		case 1:
			http.Error(w, "overloaded", http.StatusServiceUnavailable)
		case 2:
			http.Error(w, "slow down", http.StatusTooManyRequests)
		case 3:
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: \"Hello\"\n\ndata: [DONE]\n\n")
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: \"Hel\"\n\n")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) // cuts the connection
		}
	}))
	defer model.Close()

	client := sse.Client{
		ReconnectionTime: 10 * time.Millisecond, // of the first wait; later waits are longer
		Reconnect: func(err error) bool {
			var refusal *sse.ResponseError
			if !errors.As(err, &refusal) {
				return false
			}
			switch refusal.StatusCode {
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
				return true // not before its Retry-After, if it has one
			}
			return false
		},
	}
	ask := func(question string) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // for all attempts together
		defer cancel()
		// NewRequest sets GetBody for a body of this type, so that it can be sent again.
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, model.URL, strings.NewReader(question))
		if err != nil {
			return err
		}
		for text, err := range sse.Decode[string](client.Events(req), "[DONE]") {
			if err != nil {
				return err
			}
			fmt.Println(text)
		}
		return nil
	}
	fmt.Println(ask("first question"))
	fmt.Println(ask("second question"))
	fmt.Printf("%q\n", received)
	// Output:
	// Hello
	// <nil>
	// Hel
	// unexpected EOF
	// ["first question" "first question" "first question" "second question"]
}

// Some services answer 429 both to a client that is too fast, for which waiting helps, and
// to one that has used up its quota, for which it does not. The policy finds out which by the
// service's error code in the body of the response.
func ExampleClient_errorCodes() {
	answers := []string{"rate_limit_exceeded", "insufficient_quota"}
	requests := 0
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		code := answers[requests]
		requests++
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprintf(w, `{"error":{"code":%q}}`, code)
	}))
	defer feed.Close()

	client := sse.Client{
		ReconnectionTime: 10 * time.Millisecond,
		Reconnect: func(err error) bool {
			var refusal *sse.ResponseError
			if errors.As(err, &refusal) {
				var body struct{ Error struct{ Code string } }
				if json.Unmarshal(refusal.Body, &body) == nil && body.Error.Code == "insufficient_quota" {
					return false
				}
			}
			return sse.Transient(err)
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
	// sse: GET https://feed.example: 429 Too Many Requests: "{\"error\":{\"code\":\"insufficient_quota\"}}"
	// 2 requests
}

// A budget is an [sse.Backoff] that gives up after a number of waits.
type budget struct {
	left int // waits
	wait time.Duration
}

func (b *budget) NextBackOff() time.Duration {
	if b.left == 0 {
		return -1
	}
	b.left--
	return b.wait
}

// NewBackoff does not learn which stream calls it, and is called anew after each progress.
// If the waits depend on the stream, such as on a number of reconnections that it may use in
// all, make a copy of the Client for each stream.
func ExampleClient_backoffPerStream() {
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "id: %sx\ndata: one more\n\n", r.Header.Get("Last-Event-ID")) // and closes the connection
	}))
	defer feed.Close()

	client := sse.Client{ReconnectionTime: 10 * time.Millisecond} // what all streams share

	read := func(name string, reconnections int) {
		c := client // a copy for this stream
		b := &budget{left: reconnections}
		c.NewBackoff = func(initial time.Duration) sse.Backoff {
			b.wait = initial
			return b
		}
		events := 0
		for _, err := range c.Get(context.Background(), feed.URL) {
			if err != nil {
				fmt.Printf("%s: %d events, then %v\n", name, events, err)
				return
			}
			events++
		}
	}
	read("orders", 3)
	read("weather", 1)
	// Output:
	// orders: 4 events, then sse: giving up: EOF
	// weather: 2 events, then sse: giving up: EOF
}
