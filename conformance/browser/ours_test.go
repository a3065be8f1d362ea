package browser

import (
	"context"
	"net/http"
	"sync"

	"github.com/lastevent/sse"
)

// watchOurs shows the scenarios to package sse's EventSource, sixteen at a time.
func watchOurs(srv *server) {
	var wg sync.WaitGroup
	turns := make(chan struct{}, 16)
	for n, sc := range srv.scenarios {
		turns <- struct{}{}
		wg.Go(func() {
			sc.steps[ours] = watch(srv.url(ours, n), sc)
			<-turns
		})
	}
	wg.Wait()
}

// watch is what the page's script does, in Go.
func watch(url string, sc *scenario) (steps []step) {
	es, err := sse.NewEventSource(url)
	if err != nil {
		return []step{{Kind: "throws"}}
	}
	errors := 0
	see := func(kind string, ev sse.Event) {
		steps = append(steps, step{kind, es.ReadyState().String(), ev.Type, ev.Data, ev.LastEventID})
		if kind == "error" {
			errors++
		}
		if kind == sc.closeAt || kind == "error" && errors == sc.maxErrors {
			es.Close()
		}
	}
	see("new", sse.Event{})
	es.OnOpen(func(*http.Response) { see("open", sse.Event{}) })
	es.OnError(func(error) { see("error", sse.Event{}) })
	for _, typ := range append([]string{"message"}, sc.types...) {
		es.AddEventListener(typ, func(ev sse.Event) { see("event", ev) })
	}
	ctx, cancel := context.WithTimeout(context.Background(), watchLimit)
	defer cancel()
	_ = es.Run(ctx) // OnError has had it
	if ctx.Err() != nil {
		steps[len(steps)-1] = step{Kind: "still", State: "CONNECTING or OPEN"}
	}
	return steps
}
