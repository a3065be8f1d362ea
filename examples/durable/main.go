// Command durable handles each event of a feed at least once, across crashes: it keeps the
// ID of the last event that it has handled in a file.
//
//	go run ./examples/durable https://…/feed position.txt
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/lastevent/sse"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: durable URL FILE")
		os.Exit(2)
	}
	c := consumer{client: http.DefaultClient, file: os.Args[2], handle: func(ev sse.Event) error {
		_, err := fmt.Println(ev.LastEventID, ev.Data)
		return err
	}}
	if err := c.consume(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type consumer struct {
	client *http.Client
	file   string
	handle func(sse.Event) error
}

func (c *consumer) consume(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	position, err := os.ReadFile(c.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	req.Header.Set("Last-Event-ID", strings.TrimSuffix(string(position), "\n"))

	client := sse.Client{HTTPClient: c.client, Reconnect: sse.Transient, IdleTimeout: time.Minute}
	for ev, err := range client.Events(req) {
		if err != nil {
			return err
		}
		if err := c.handle(ev); err != nil {
			return err // the event comes again with the next run
		}
		if err := save(c.file, ev.LastEventID+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// save replaces the file in one step: after a crash it holds the old text or the new.
func save(file, text string) error {
	f, err := os.Create(file + ".new")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
