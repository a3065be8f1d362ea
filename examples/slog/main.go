// Command slog logs what a stream goes through, while its events go elsewhere:
//
//	go run ./examples/slog https://stream.wikimedia.org/v2/stream/recentchange >/dev/null
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/lastevent/sse"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: slog URL")
		os.Exit(2)
	}
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("feed", os.Args[1])
	client := sse.Client{Reconnect: sse.Transient, IdleTimeout: time.Minute, Trace: trace(logger)}
	if err := copyData(context.Background(), os.Stdout, &client, os.Args[1]); err != nil {
		logger.Error("ended", "err", err)
		os.Exit(1)
	}
}

func copyData(ctx context.Context, w io.Writer, client *sse.Client, url string) error {
	for ev, err := range client.Get(ctx, url) {
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, ev.Data); err != nil {
			return err
		}
	}
	return nil
}

// trace logs the connections of a stream. The hooks are called one at a time.
func trace(logger *slog.Logger) *sse.Trace {
	var opened time.Time
	return &sse.Trace{
		Connect: func(r *http.Request) {
			opened = time.Time{}
			logger.Debug("connect", "after", r.Header.Get("Last-Event-ID"))
		},
		Open: func(r *http.Response) {
			opened = time.Now()
			logger.Info("open", "status", r.StatusCode, "proto", r.Proto)
		},
		Comment: func(text string) { logger.Debug("comment", "text", text) },
		Disconnect: func(info sse.DisconnectInfo) {
			if !info.Reconnect {
				return // the end of the stream is its caller's to log
			}
			args := []any{"err", info.Err, "after", info.LastEventID, "again_in", info.Delay}
			if !opened.IsZero() {
				args = append(args, "open_for", time.Since(opened))
			}
			logger.Warn("drop", args...)
		},
	}
}
