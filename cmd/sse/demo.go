package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/cmd/sse/internal/term"
)

const (
	demoEvents = 12
	demoIdle   = time.Second // of silence, before the demo's client drops a connection
)

// runDemo serves the demo on loopback and tails it, telling on stdout what happens.
func (cmd *command) runDemo(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return cmd.demo(ctx, l, "http://"+l.Addr().String()+"/", http.DefaultClient)
}

// demo is runDemo on any network.
func (cmd *command) demo(ctx context.Context, l net.Listener, url string, client *http.Client) error {
	srv := &http.Server{Handler: new(demoServer)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l) // until it is closed
	}()
	defer func() {
		_ = srv.Close()
		<-served
	}()

	fmt.Fprintf(cmd.stdout, "A server at %s streams %d events, and misbehaves. Its client sees:\n\n", url, demoEvents)
	d := demoClient{command: cmd, start: time.Now(), received: make(map[string]int)}
	c := sse.Client{HTTPClient: client, IdleTimeout: demoIdle, Trace: &sse.Trace{
		Connect:    d.connect,
		Open:       d.open,
		Comment:    func(text string) { d.say("comment", "%s", strings.TrimSpace(text)) },
		Disconnect: d.disconnect,
	}}
	for ev, err := range c.Get(ctx, url) {
		if err != nil {
			return err
		}
		d.received[ev.LastEventID]++
		d.say("event "+ev.LastEventID, "%s", ev.Data)
	}
	return d.report()
}

// A demoServer streams events with the IDs 1 to demoEvents, from behind the client's
// Last-Event-ID on. It goes through one misfortune for each connection.
type demoServer struct {
	connections atomic.Int32
}

func (s *demoServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	connection := s.connections.Add(1)
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if last == demoEvents {
		w.WriteHeader(http.StatusNoContent) // there is no more
		return
	}
	if connection == 2 {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "restarting", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(text string) {
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(60 * time.Millisecond):
		case <-r.Context().Done():
		}
	}
	send("retry: 100\n: welcome\n\n")
	for id := last + 1; id <= demoEvents; id++ {
		send(fmt.Sprintf("id: %d\ndata: event %d of %d\n\n", id, id, demoEvents))
		switch {
		case connection == 1 && id == 4:
			send(fmt.Sprintf("id: %d\ndata: event %d o", id+1, id+1))
			panic(http.ErrAbortHandler)
		case connection == 3 && id == 8:
			<-r.Context().Done() // says nothing more, and does not close
			return
		}
	}
}

// A demoClient reports what its stream does, and counts.
type demoClient struct {
	*command
	start    time.Time
	received map[string]int // by ID

	connections, cuts, refusals, silences, resumed int
}

func (d *demoClient) say(what, format string, args ...any) {
	at := fmt.Sprintf("%6.2fs  ", time.Since(d.start).Seconds())
	line := strings.TrimRight(fmt.Sprintf("%-10s %s", what, fmt.Sprintf(format, args...)), " ")
	switch {
	case what == "DROP" || what == "REFUSED":
		line = d.stdout.Paint(term.Yellow, line)
	case !strings.HasPrefix(what, "event"):
		line = d.stdout.Paint(term.Faint, line)
	}
	fmt.Fprintln(d.stdout, d.stdout.Paint(term.Faint, at)+line)
}

func (d *demoClient) connect(r *http.Request) {
	d.connections++
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		d.say("connect", "Last-Event-ID: %s", id)
		return
	}
	d.say("connect", "")
}

func (d *demoClient) open(r *http.Response) {
	d.say("open", "%s", r.Status)
	if r.Request.Header.Get("Last-Event-ID") != "" {
		d.resumed++
	}
}

func (d *demoClient) disconnect(info sse.DisconnectInfo) {
	refusal := (*sse.ResponseError)(nil)
	switch {
	case info.Err == nil:
		d.say("end", "204 No Content: there is no more")
	case info.Err == io.EOF:
		d.say("close", "the server ended the response")
	case info.Err == sse.ErrIdleTimeout:
		d.silences++
		d.say("DROP", "not a byte for %s: the server may be gone without a word", demoIdle)
	case errors.As(info.Err, &refusal):
		d.refusals++
		d.say("REFUSED", "%d %s, Retry-After: %s", refusal.StatusCode, http.StatusText(refusal.StatusCode), refusal.Header.Get("Retry-After"))
	default:
		d.cuts++
		d.say("DROP", "%v: the connection was cut inside an event, whose first half is discarded", info.Err)
	}
	if info.Reconnect {
		d.say("", "again in %s, after event %s", info.Delay.Round(time.Millisecond), info.LastEventID)
	}
}

// report counts what was received, and fails if that is not every event once.
func (d *demoClient) report() error {
	events, lost, duplicated := 0, 0, 0
	for id := 1; id <= demoEvents; id++ {
		n := d.received[strconv.Itoa(id)]
		events += n
		lost += max(1-n, 0)
		duplicated += max(n-1, 0)
	}
	fmt.Fprintf(d.stdout, "\n%d events received, %d lost, %d duplicated: %d connections, %d cut, %d refused with 503, %d idle timeout, resumed %d times.\n",
		events, lost, duplicated, d.connections, d.cuts, d.refusals, d.silences, d.resumed)
	if lost+duplicated > 0 {
		return errors.New("sse: the demo lost or repeated events")
	}
	return nil
}
