package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The demo's streams are clocks: the event of a second has that second for its ID, so that
// whoever serves them can replay them without having kept any.

const demoReplay = 600 // seconds

// demoAddress is the port after that of NATS.
func demoAddress(o *options) string {
	host, port, err := net.SplitHostPort(o.listen)
	n, err2 := strconv.Atoi(port)
	if err != nil || err2 != nil {
		return o.listen // it is refused when NATS starts
	}
	return net.JoinHostPort(host, strconv.Itoa(n+1))
}

func demoConfig(o *options) *config {
	cfg := &config{streams: make(map[string]*stream)}
	for i := range 8 {
		u := &url.URL{Scheme: "http", Host: demoAddress(o), Path: fmt.Sprintf("/clock/%d", i+1)}
		cfg.streams[u.String()] = &stream{name: u.String(), url: u}
	}
	return cfg
}

// serveDemo serves the streams, unless another member does, and then once that one has ended.
func serveDemo(ctx context.Context, o *options) {
	srv := &http.Server{Addr: demoAddress(o), Handler: http.HandlerFunc(clock), ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	for ctx.Err() == nil {
		_ = srv.ListenAndServe() // the address is taken
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func clock(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Unix()
	next := now
	if last, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		next = max(last+1, now-demoReplay)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 500\n\n")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for ; next <= time.Now().Unix(); next++ {
			fmt.Fprintf(w, "id: %d\ndata: %s\n\n", next, time.Unix(next, 0).UTC().Format(time.TimeOnly))
		}
		w.(http.Flusher).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
