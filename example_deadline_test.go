package sse_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/lastevent/sse"
)

// readPromptly prints the events at url. It fails if the first one takes longer than limit.
func readPromptly(ctx context.Context, client *sse.Client, url string, limit time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("no event within %v", limit)) })
	defer timer.Stop()
	for ev, err := range client.Get(ctx, url) {
		if err != nil {
			return err // the cause, if the limit has passed
		}
		timer.Stop() // later events may take any time
		fmt.Println(ev.Data)
	}
	return nil
}

// A service that accepts a request and then does nothing is given up by a deadline for the
// first event. Client.IdleTimeout is not enough: a comment satisfies it, and the stream may
// reconnect after it.
func ExampleClient_Events_firstEventDeadline() {
	quick := httptest.NewServer(http.HandlerFunc(feed))
	defer quick.Close()
	stuck := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": accepted\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // until the client leaves
	}))
	defer stuck.Close()

	client := new(sse.Client)
	fmt.Println(readPromptly(context.Background(), client, quick.URL, time.Minute))
	fmt.Println(readPromptly(context.Background(), client, stuck.URL, 20*time.Millisecond))
	// Output:
	// one
	// two
	// three
	// <nil>
	// no event within 20ms
}

// The context sets a deadline for the whole stream, which includes all its connections and
// the waits between them. The Timeout of an http.Client only bounds the wait for a
// response's header.
func ExampleClient_Events_totalDeadline() {
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil { // a report without an end
			fmt.Fprint(w, "data: line\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	}))
	defer feed.Close()

	const limit = 20 * time.Millisecond
	late := fmt.Errorf("the report took longer than %v: %w", limit, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, late)
	defer cancel()
	var report strings.Builder
	for ev, err := range sse.Get(ctx, feed.URL) {
		if err != nil {
			fmt.Println(err)
			fmt.Println(errors.Is(err, context.DeadlineExceeded))
			break
		}
		report.WriteString(ev.Data)
	}
	// Output:
	// the report took longer than 20ms: context deadline exceeded
	// true
}

// readAndBeat prints the events at url until the one named "bye", and calls beat at every
// interval.
func readAndBeat(ctx context.Context, url string, interval time.Duration, beat func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	events := make(chan sse.Event)
	var end error // of the stream; set before events is closed
	go func() {
		defer close(events)
		for ev, err := range sse.Get(ctx, url) {
			if err != nil {
				end = err
				return
			}
			select {
			case events <- ev:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range events { // until the goroutine has closed the stream
		}
	}()

	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case ev, ok := <-events:
			if !ok {
				return end
			}
			fmt.Println(ev.Type, ev.Data)
			if ev.Type == "bye" {
				return nil
			}
		case <-ticker.C:
			if err := beat(); err != nil {
				return err
			}
		}
	}
}

// A program that has something else to do between events, here to send a heartbeat, reads
// the events on another goroutine, which sends them to a channel. An event then counts as
// handled when it has been received, before the program has done anything with it.
func ExampleClient_Events_select() {
	alive := make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /alive", func(http.ResponseWriter, *http.Request) {
		select {
		case alive <- struct{}{}:
		default:
		}
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: one\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-alive: // the feed continues only for a client that sends heartbeats
			fmt.Fprint(w, "data: two\n\nevent: bye\ndata: see you\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case <-r.Context().Done():
		}
	})
	feed := httptest.NewServer(mux)
	defer feed.Close()

	beat := func() error {
		resp, err := http.Post(feed.URL+"/alive", "", nil)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	err := readAndBeat(context.Background(), feed.URL+"/events", 5*time.Millisecond, beat)
	fmt.Println(err)
	// Output:
	// message one
	// message two
	// bye see you
	// <nil>
}

// batches returns the rest of a stream's events in batches of n, and in smaller ones when no
// further event has arrived for the given pause, and at the end. It closes the stream. An
// error comes last, after the events that were read before it.
func batches(stream *sse.Stream, n int, pause time.Duration) iter.Seq2[[]sse.Event, error] {
	return func(yield func([]sse.Event, error) bool) {
		events := make(chan sse.Event)
		var end error // of the stream; set before events is closed
		go func() {
			defer close(events)
			for ev, err := range stream.Events() {
				if err != nil {
					end = err
					return
				}
				events <- ev
			}
		}()
		defer func() {
			stream.Close()
			for range events { // until the goroutine has ended
			}
		}()

		var batch []sse.Event
		var quiet <-chan time.Time // nil while the batch is empty
		for {
			select {
			case ev, ok := <-events:
				if !ok {
					if len(batch) > 0 && !yield(batch, nil) {
						return
					}
					if end != nil {
						yield(nil, end)
					}
					return
				}
				if batch = append(batch, ev); len(batch) < n {
					quiet = time.After(pause)
					continue
				}
			case <-quiet:
			}
			if !yield(batch, nil) {
				return
			}
			batch, quiet = nil, nil
		}
	}
}

// A program that writes events to a database stores them in batches: here up to two events
// at once, and fewer when the stream pauses. Another goroutine reads the stream, because a
// call to Next, or to the next function of [iter.Pull2], cannot be abandoned when the pause
// is over.
//
// An event counts as handled when it has joined a batch, so a reconnection may resume after
// events that are not stored yet. They are still in memory. A crash loses them, and the
// server sends them again if the program starts from the ID of the last event that it has
// stored. Save that ID in the same transaction as the batch, or after it, and each event is
// stored at least once.
func ExampleStream_batches() {
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		for id := last + 1; id <= 5; id++ {
			fmt.Fprintf(w, "id: %d\ndata: %d\n\n", id, id)
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer feed.Close()

	saved := "" // in the database
	run := func(pause time.Duration, untilID string) error {
		req, err := http.NewRequest(http.MethodGet, feed.URL, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Last-Event-ID", saved)
		for batch, err := range batches(new(sse.Client).Stream(req), 2, pause) {
			if err != nil {
				return err
			}
			fmt.Print("store")
			for _, ev := range batch {
				fmt.Print(" ", ev.Data)
			}
			fmt.Println()
			if id := batch[len(batch)-1].LastEventID; sse.Resumable(id) {
				saved = id
			}
			if saved == untilID {
				return nil
			}
		}
		return nil
	}
	fmt.Println(run(time.Hour, "4")) // the program stops, and may have read 5 without storing it
	fmt.Println("start again after", saved)
	fmt.Println(run(time.Millisecond, "5"))
	// Output:
	// store 1 2
	// store 3 4
	// <nil>
	// start again after 4
	// store 5
	// <nil>
}
