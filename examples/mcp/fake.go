package main

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
)

// fake counts to ten, and answers; after every third message it drops the stream. It counts
// the calls: a second one would be the same work again.
type fake struct{ calls atomic.Int32 }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodPost {
		f.calls.Add(1)
		fmt.Fprint(w, "retry: 100\nid: 0\ndata:\n\n")
	}
	after, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	for n := after + 1; n <= after+3; n++ {
		if n > 10 {
			fmt.Fprintf(w, "id: %d\ndata: {\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": {\"calls\": %d}}\n\n", n, f.calls.Load())
			return
		}
		fmt.Fprintf(w, "id: %d\ndata: {\"jsonrpc\": \"2.0\", \"method\": \"notifications/progress\", \"params\": {\"progress\": %d}}\n\n", n, n)
	}
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
