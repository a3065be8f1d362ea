package sse_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/lastevent/sse"
)

// fewBusyStreams returns a client for streams of many events a second: a larger buffer
// saves system calls.
func fewBusyStreams() *sse.Client {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.ReadBufferSize = 64 << 10 // bytes for each connection, 4 KiB by default
	return &sse.Client{HTTPClient: &http.Client{Transport: tr}}
}

// manyIdleStreams returns a client for thousands of streams that are silent most of the
// time. Over HTTP/2, which net/http chooses where a server has it, they share connections;
// over HTTP/1.1 each has its own, with small buffers.
func manyIdleStreams() *sse.Client {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.ReadBufferSize, tr.WriteBufferSize = 1<<10, 1<<10
	return &sse.Client{HTTPClient: &http.Client{Transport: tr}}
}

// Two transports: one for few busy streams, one for many idle ones.
func ExampleClient_transport() {
	feed := httptest.NewServer(http.HandlerFunc(feed))
	defer feed.Close()

	for _, client := range []*sse.Client{fewBusyStreams(), manyIdleStreams()} {
		for ev, err := range client.Get(context.Background(), feed.URL) {
			if err != nil {
				fmt.Println(err)
			}
			fmt.Print(ev.LastEventID, " ")
			if ev.LastEventID == "2" {
				break
			}
		}
		client.HTTPClient.CloseIdleConnections()
	}
	// Output: 1 2 1 2
}
