package load_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/load"
)

// numbers is a handler that sends a number every 20 ms, after that of Last-Event-ID.
func numbers(w http.ResponseWriter, r *http.Request) {
	n := 0
	_, _ = fmt.Sscan(r.Header.Get("Last-Event-ID"), &n)
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		n++
		fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
		w.(http.Flusher).Flush()
		time.Sleep(20 * time.Millisecond)
	}
}

// What a test of a handler asks: half of the connections are cut, no stream is lost, and none misses an event or reads
// one twice.
func ExampleRun() {
	srv := httptest.NewServer(http.HandlerFunc(numbers))
	defer srv.Close()

	report, err := load.Run(context.Background(), load.Config{
		URLs:     []string{srv.URL},
		Streams:  50,
		Ramp:     500 * time.Millisecond,
		Duration: 2 * time.Second,
		Client:   sse.Client{ReconnectionTime: 100 * time.Millisecond},
		Kill:     []load.Kill{{Fraction: 0.5, At: time.Second}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("lost:", report.Streams.Lost)
	fmt.Println("missing:", report.Sequence.Missing, "repeated:", report.Sequence.Repeated)
	// Output:
	// lost: 0
	// missing: 0 repeated: 0
}

// The server's events hold a number and a time in JSON.
func ExampleConfig() {
	type tick struct {
		N    int64     `json:"n"`
		Sent time.Time `json:"sent"`
	}
	cfg := load.Config{
		URLs:    []string{"https://example.com/ticks"},
		Streams: 1000,
		Request: func(i int, url string) (*http.Request, error) {
			req, err := http.NewRequest(http.MethodGet, url, nil)
			if err == nil {
				req.Header.Set("Authorization", fmt.Sprintf("Bearer user-%d", i))
			}
			return req, err
		},
		Sequence: func(ev sse.Event) (int64, bool) {
			var t tick
			err := ev.Unmarshal(&t)
			return t.N, err == nil
		},
		Time: func(ev sse.Event) (time.Time, bool) {
			var t tick
			err := ev.Unmarshal(&t)
			return t.Sent, err == nil
		},
	}
	fmt.Println(cfg.Streams)
	// Output: 1000
}
