// Command r3labs is the adapter of github.com/r3labs/sse for sseconform.
package main

import (
	"os"
	"time"

	"github.com/r3labs/sse/v2"

	"github.com/lastevent/sse/conformance/adapters/internal/report"
)

func main() {
	client := sse.NewClient(os.Args[1])
	client.ReconnectNotify = func(err error, _ time.Duration) { report.Error(err) }
	report.Closed(client.SubscribeRaw(func(ev *sse.Event) {
		report.Event(string(ev.Event), string(ev.Data), string(ev.ID))
	}))
}
