// Command tail prints a feed's events and logs what its stream goes through:
//
//	go run ./examples/tail https://stream.wikimedia.org/v2/stream/recentchange
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
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
	context.AfterFunc(ctx, stop)
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := tail(ctx, http.DefaultClient, os.Args[1], os.Stdout, logger); err != nil {
		logger.Error("the stream has ended", "err", err)
		os.Exit(1)
	}
}

func tail(ctx context.Context, hc *http.Client, url string, w io.Writer, logger *slog.Logger) error {
	client := sse.Client{HTTPClient: hc, Reconnect: sse.Transient, IdleTimeout: time.Minute, Trace: trace(logger)}
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

// trace logs the connections of a stream.
func trace(logger *slog.Logger) *sse.Trace {
	return &sse.Trace{
		Connect: func(r *http.Request) { logger.Debug("connect", "after", r.Header.Get("Last-Event-ID")) },
		Open:    func(r *http.Response) { logger.Info("open", "status", r.Status, "proto", r.Proto) },
		Disconnect: func(info sse.DisconnectInfo) {
			if info.Reconnect {
				logger.Warn("drop", "err", info.Err, "again in", info.Delay, "after", info.LastEventID)
			}
		},
	}
}
