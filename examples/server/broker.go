package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

const (
	heartbeat    = 15 * time.Second // proxies cut a stream that is silent for a minute
	writeTimeout = 10 * time.Second // for a client to take what is written
)

// A Broker sends each event that is published to all of its clients, and keeps the last
// ones for clients that reconnect. It is their handler.
//
// Clients have no queues of their own: each knows the number of its next event. One that
// falls so far behind that its next event is no longer kept is dropped, as is one that does
// not take what is written. Both reconnect when they can, and get what is then kept.
type Broker struct {
	run  string // distinguishes the IDs of this process from those of an earlier one
	size int    // events that are kept

	mu      sync.Mutex
	kept    [][]byte // the last events, as they are sent
	next    int      // the number of the next event
	clients map[chan struct{}]bool
}

// NewBroker returns a Broker that keeps the last size events.
func NewBroker(size int) *Broker {
	return &Broker{
		run:  strconv.FormatInt(time.Now().UnixNano(), 36),
		size: size, clients: make(map[chan struct{}]bool),
	}
}

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// Publish sends an event to all clients. It waits for none of them. It fails if the wire
// form cannot carry the event's type.
func (b *Broker) Publish(typ, data string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ev := sse.Event{Type: typ, Data: lineBreaks.Replace(data), LastEventID: fmt.Sprintf("%s-%d", b.run, b.next)}
	text, err := ev.AppendText(nil)
	if err != nil {
		return err
	}
	b.kept = append(b.kept, text)
	if len(b.kept) > b.size {
		b.kept[0] = nil // the array behind kept is still in use
		b.kept = b.kept[1:]
	}
	b.next++
	for news := range b.clients {
		select {
		case news <- struct{}{}:
		default: // it has been woken already
		}
	}
	return nil
}

// oldest returns the number of the oldest event that is kept. The caller holds b.mu.
func (b *Broker) oldest() int { return b.next - len(b.kept) }

// join adds a client. It returns a channel that reports news, and the number of the
// client's first event: the one after id, the next one if there is no id, and the oldest
// one if id is unknown: of an earlier run, or of an event that is no longer kept.
func (b *Broker) join(id string) (news chan struct{}, next int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	news = make(chan struct{}, 1)
	b.clients[news] = true
	if id == "" {
		return news, b.next
	}
	run, number, _ := strings.Cut(id, "-")
	n, err := strconv.Atoi(number)
	if err != nil || run != b.run || n < b.oldest() || n >= b.next {
		return news, b.oldest()
	}
	return news, n + 1
}

func (b *Broker) leave(news chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.clients, news)
}

// since returns the events from a number on, and the number that follows them. It reports
// whether they are all kept.
func (b *Broker) since(n int) (text []byte, next int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n < b.oldest() {
		return nil, 0, false
	}
	for _, event := range b.kept[n-b.oldest():] {
		text = append(text, event...)
	}
	return text, b.next, true
}

func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "events are for GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // or nginx holds everything back
	if r.Method == http.MethodHead {
		return
	}
	rc := http.NewResponseController(w)
	send := func(text []byte) error {
		_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every ResponseWriter has deadlines
		if _, err := w.Write(text); err != nil {
			return err
		}
		return rc.Flush()
	}
	news, next := b.join(r.Header.Get("Last-Event-ID"))
	defer b.leave(news)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	text := []byte("retry: 2000\n\n") // which also opens the stream, before the first event
	for {
		if len(text) > 0 && send(text) != nil {
			return // the client has left, or is too slow
		}
		events, after, ok := b.since(next)
		if !ok {
			return // the client is too slow
		}
		if text, next = events, after; len(text) > 0 {
			continue
		}
		select {
		case <-news:
		case <-beat.C:
			text = []byte(":\n\n")
		case <-r.Context().Done():
			return
		}
	}
}
