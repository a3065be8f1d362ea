// Command tail prints a feed's events, for as long as it is left to:
//
//	go run ./examples/tail https://stream.wikimedia.org/v2/stream/recentchange
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/lastevent/sse"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: tail URL")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := tail(ctx, http.DefaultClient, os.Args[1], os.Stdout)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !interrupted {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func tail(ctx context.Context, hc *http.Client, url string, w io.Writer) error {
	client := sse.Client{
		HTTPClient:  hc,
		Reconnect:   sse.Transient, // also before the stream has been open once
		IdleTimeout: time.Minute,   // the server sends something more often than that
	}
	for ev, err := range client.Get(ctx, url) {
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\n", ev.LastEventID, ev.Type, ev.Data); err != nil {
			return err
		}
	}
	return nil
}
