// Command gosse is the adapter of github.com/tmaxmax/go-sse for sseconform.
package main

import (
	"net/http"
	"os"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/lastevent/sse/conformance/adapters/internal/report"
)

func main() {
	req, err := http.NewRequest(http.MethodGet, os.Args[1], nil)
	if err != nil {
		report.Closed(err)
		return
	}
	client := sse.Client{OnRetry: func(err error, _ time.Duration) { report.Error(err) }}
	conn := client.NewConnection(req)
	conn.SubscribeToAll(func(ev sse.Event) { report.Event(ev.Type, ev.Data, ev.LastEventID) })
	report.Closed(conn.Connect())
}
