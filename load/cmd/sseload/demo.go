package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/report"
)

const demoStreams = 500

// A demoPlan says how long what takes. The restart comes so long after the start.
type demoPlan struct{ ramp, hold, restart, down, every time.Duration }

var theDemo = demoPlan{ramp: 3 * time.Second, hold: 12 * time.Second, restart: 7 * time.Second, down: time.Second, every: 100 * time.Millisecond}

// A demo is a server in this process: it publishes numbered events with their times, restarts once, and
// replays what a client has missed.
type demo struct {
	plan   demoPlan
	url    string
	cancel context.CancelFunc
	served sync.WaitGroup

	mu     sync.Mutex
	events []time.Time   // when event i+1 was published
	more   chan struct{} // closed at the next event
}

func newDemo(ctx context.Context, plan demoPlan) (*demo, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &demo{plan: plan, url: "http://" + l.Addr().String() + "/", more: make(chan struct{})}
	ctx, d.cancel = context.WithCancel(ctx)
	d.served.Go(func() { d.serve(ctx, l) })
	return d, nil
}

func (d *demo) close() {
	d.cancel()
	d.served.Wait()
}

// configure sets the options of the run.
func (d *demo) configure(o *options) {
	o.urls = []string{d.url}
	if !o.given["n"] {
		o.streams = demoStreams
	}
	o.given["ramp"] = true
	o.ramp, o.hold = seconds(d.plan.ramp), seconds(d.plan.hold)
	o.time, o.sequence = "{{.ts}}", "{{.n}}"
	o.expectRestart = true
}

// serve serves and publishes until the context ends, but for the time in which it restarts.
func (d *demo) serve(ctx context.Context, l net.Listener) {
	address := l.Addr().String()
	d.serveFor(ctx, l, d.plan.restart)
	select {
	case <-time.After(d.plan.down):
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil {
			d.serveFor(ctx, l, time.Hour)
			return
		}
		time.Sleep(d.plan.every) // a client has the port at the moment
	}
}

// serveFor serves and publishes for a time, and then drops all connections.
func (d *demo) serveFor(ctx context.Context, l net.Listener, t time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, t)
	defer cancel()
	srv := &http.Server{Handler: d, ReadHeaderTimeout: time.Minute}
	var served sync.WaitGroup
	served.Go(func() { _ = srv.Serve(l) })
	ticker := time.NewTicker(d.plan.every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case now := <-ticker.C:
			d.publish(now)
		case <-ctx.Done():
		}
	}
	_ = srv.Close()
	served.Wait()
}

func (d *demo) publish(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, now)
	close(d.more)
	d.more = make(chan struct{})
}

// after returns the events after the n-th, and what is closed when there are more.
func (d *demo) after(n int) ([]time.Time, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events[min(max(n, 0), len(d.events)):], d.more
}

// ServeHTTP streams the events after the client's Last-Event-ID, or from now on.
func (d *demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	n := len(d.events)
	d.mu.Unlock()
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		last, err := strconv.Atoi(id)
		if err != nil {
			http.Error(w, "this Last-Event-ID is not one of mine", http.StatusBadRequest)
			return
		}
		n = last
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		events, more := d.after(n)
		for _, at := range events {
			n++
			fmt.Fprintf(w, "id: %d\ndata: {\"n\":%d,\"ts\":%d}\n\n", n, n, at.UnixNano())
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// introduction says what is to come.
func (d *demo) introduction(o *options) string {
	return lines("A server at %s publishes %d events a second to %s. After %s it restarts, which takes %s. The run takes %s.", d.url,
		time.Second/d.plan.every, report.Plural(o.streams, "stream"), report.Time(d.plan.restart), report.Time(d.plan.down), report.Time(d.plan.ramp+d.plan.hold)) + "\n"
}

// correct removes what would be misread: the memory of this process is also that of its server.
func (*demo) correct(r *load.Report) { r.Client.BytesPerStream = 0 }

// summary says in words what the table shows.
func (*demo) summary(o *options, r *load.Report) string {
	if len(r.Storms) == 0 {
		return "\n" + lines("The run ended before the server restarted.")
	}
	s, q := &r.Storms[0], &r.Sequence
	text := "\n" + lines("What this shows: the restart dropped %s. Half of them were open again after %s, and 99 %% after %s. The busiest 100 ms had %s.",
		report.Plural(s.Dropped, "stream"), report.Time(s.Back50), report.Time(s.Back99), report.Plural(s.Busiest, "attempt"))
	text += lines("Of %s events on all streams, %s are missing and %s came twice: each stream asked by Last-Event-ID for what it had missed, and the server replayed it.",
		report.Count(q.Numbered), report.Count(q.Missing), report.Count(q.Repeated))
	if o.backoff == "browser" {
		return text + lines("Each stream waited for three seconds, as a browser does, so that all of them returned in the same instant. Compare -backoff sse.")
	}
	return text + lines("Each stream waited for a random time. Compare -backoff browser, by which all of them return in the same instant.")
}

// lines formats text for a terminal of 80 columns.
func lines(format string, args ...any) string {
	return report.Spaces(strings.Join(report.Wrap(fmt.Sprintf(format, args...), 79), "\n")) + "\n"
}
