// Command listeners counts a feed's events by their type, with the browser's interface:
//
//	go run ./examples/listeners https://… add remove
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"

	"github.com/lastevent/sse"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: listeners URL [TYPE…]")
		os.Exit(2)
	}
	es, err := sse.NewEventSource(os.Args[1])
	if err == nil {
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		go func() {
			<-interrupted
			es.Close() // from any goroutine; Run returns
		}()
		err = count(context.Background(), es, os.Args[2:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// count counts until the stream ends, or an event of type "bye" comes.
func count(ctx context.Context, es *sse.EventSource, types []string, w io.Writer) error {
	n := make(map[string]int)
	es.OnOpen(func(r *http.Response) { fmt.Fprintln(w, "open:", r.Status) })
	es.OnError(func(err error) { fmt.Fprintf(w, "%s: %v\n", es.ReadyState(), err) })
	for _, typ := range append(types, "message") {
		es.AddEventListener(typ, func(sse.Event) { n[typ]++ })
	}
	es.AddEventListener("bye", func(sse.Event) { es.Close() })
	err := es.Run(ctx)
	for _, typ := range append(types, "message") {
		fmt.Fprintf(w, "%d %s\n", n[typ], typ)
	}
	return err
}
