package lean_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/lean"
)

// feed sends two events.
func feed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "id: 1\ndata: one\n\nid: 2\ndata: two\n\n")
}

// manyStreams returns a client for thousands of streams that are silent most of the time.
func manyStreams() *sse.Client {
	tr := &lean.Transport{Proxy: http.ProxyFromEnvironment}
	return &sse.Client{HTTPClient: &http.Client{Transport: tr}}
}

// A hundred streams of one client. Each has a goroutine, which is yours, and a connection.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(feed))
	defer server.Close()

	client := manyStreams()
	var streams sync.WaitGroup
	for range 100 {
		streams.Go(func() {
			for ev, err := range client.Get(context.Background(), server.URL) {
				if err != nil {
					fmt.Println(err)
				}
				if ev.LastEventID == "2" {
					break
				}
			}
		})
	}
	streams.Wait()
	fmt.Println("done")
	// Output: done
}
