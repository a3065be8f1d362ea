// Command server serves a feed of events that clients can resume: the time, each second.
// Its [Broker] is what to copy.
//
//	go run ./examples/server -addr localhost:8080
//	go run ./cmd/sse http://localhost:8080/events
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "the `address` to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := listen(ctx, *addr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func listen(ctx context.Context, addr string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/events\n", l.Addr())
	return serve(ctx, l)
}

// serve publishes the time and serves it, until ctx is done.
func serve(ctx context.Context, l net.Listener) error {
	broker := NewBroker(1000)
	mux := http.NewServeMux()
	mux.Handle("/events", broker)
	srv := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,                                  // but no WriteTimeout, which would cut streams
		BaseContext:       func(net.Listener) context.Context { return ctx }, // its end ends the streams
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case now := <-second.C:
			if err := broker.Publish("time", now.Format(time.RFC3339)); err != nil {
				return err
			}
		case err := <-served:
			return err
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := srv.Shutdown(stopping); err != nil {
				return err
			}
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}
	}
}
