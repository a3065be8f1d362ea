// Command donovanhide is the adapter of github.com/donovanhide/eventsource for sseconform.
package main

import (
	"os"

	"github.com/donovanhide/eventsource"

	"github.com/lastevent/sse/conformance/adapters/internal/report"
)

func main() {
	stream, err := eventsource.Subscribe(os.Args[1], "")
	if err != nil {
		report.Closed(err)
		return
	}
	report.Open()
	for {
		select {
		case ev := <-stream.Events:
			report.Event(ev.Event(), ev.Data(), ev.Id())
		case err := <-stream.Errors:
			report.Error(err)
		}
	}
}
