// Command launchdarkly is the adapter of github.com/launchdarkly/eventsource for sseconform.
package main

import (
	"os"

	"github.com/launchdarkly/eventsource"

	"github.com/lastevent/sse/conformance/adapters/internal/report"
)

func main() {
	stream, err := eventsource.SubscribeWithURL(os.Args[1])
	if err != nil {
		report.Closed(err)
		return
	}
	report.Open()
	for {
		select {
		case ev := <-stream.Events:
			report.Event(ev.Event(), ev.Data(), ev.(eventsource.EventWithLastID).LastEventID())
		case err := <-stream.Errors:
			report.Error(err)
		}
	}
}
