// Package numbered makes and follows streams whose events are numbered from 1, so that
// each one that is lost or comes twice is seen.
package numbered

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lastevent/sse"
)

// padding makes events as long as small JSON ones are.
const padding = " of the events that are counted here, one by one"

// Data returns the data of the event of a number.
func Data(n int) string { return strconv.Itoa(n) + padding }

// Number returns the number of an event, 0 if it has none. The data may be a JSON string.
func Number(data string) int {
	digits, _, _ := strings.Cut(strings.TrimPrefix(data, `"`), " ")
	n, _ := strconv.Atoi(digits)
	return n
}

// A Log is a handler that streams the events of a log, each with its number for its ID, and
// resumes after any Last-Event-ID. It outlives the servers that serve it.
type Log struct {
	Retry  time.Duration // as a field of each stream; 0: none
	Header http.Header   // of each response
	Abort  func() bool   // asked before each event: whether to break the response off

	mu       sync.Mutex
	last     int           // number
	more     chan struct{} // closed when there is more
	requests int
	sent     int // events
}

// Publish appends n events to the log.
func (l *Log) Publish(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last += n
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// Requests returns how many there have been.
func (l *Log) Requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests
}

// Sent returns how many events the handler has written, to all connections together.
func (l *Log) Sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// ready returns the last number, and what is closed when there is a later one.
func (l *Log) ready() (int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return l.last, l.more
}

func (l *Log) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.requests++
	l.mu.Unlock()
	n, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil && r.Header.Get("Last-Event-ID") != "" {
		http.Error(w, "the Last-Event-ID is none of mine", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for name, values := range l.Header {
		w.Header()[name] = values
	}
	if l.Retry > 0 {
		fmt.Fprintf(w, "retry: %d\n", l.Retry.Milliseconds())
	}
	fmt.Fprint(w, ": hello\n\n")
	flush := w.(http.Flusher).Flush
	flush()
	for {
		last, more := l.ready()
		for ; n < last; n++ {
			if l.Abort != nil && l.Abort() {
				flush()
				panic(http.ErrAbortHandler)
			}
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", n+1, Data(n+1)); err != nil {
				return
			}
			l.mu.Lock()
			l.sent++
			l.mu.Unlock()
			if n%10 == 0 {
				flush()
			}
		}
		flush()
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// A Count is what a follower saw.
type Count struct {
	Events   int
	Lost     []int // numbers that were left out, though a later one came
	Repeated int   // numbers that came again
	Drops    []sse.DisconnectInfo
}

// String tells the counts.
func (c Count) String() string {
	return fmt.Sprintf("%d events, %d drops, %d lost, %d repeated", c.Events, len(c.Drops), len(c.Lost), c.Repeated)
}

// Follow reads the events at url until that of number last has come; seen, if not nil, is
// called with each number. It fails the test if the stream ends before, or not within a
// minute.
func Follow(t testing.TB, client sse.Client, url string, last int, seen func(n int)) Count {
	t.Helper()
	return FollowAfter(t, client, url, "", last, seen)
}

// FollowAfter is Follow with a Last-Event-ID to begin after.
func FollowAfter(t testing.TB, client sse.Client, url, id string, last int, seen func(n int)) Count {
	t.Helper()
	var c Count
	client.Trace = &sse.Trace{Disconnect: func(info sse.DisconnectInfo) {
		if info.Reconnect {
			c.Drops = append(c.Drops, info)
		}
	}}
	if client.Reconnect == nil {
		client.Reconnect = sse.Transient
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // seconds, on a machine with nothing else to do
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	came := make([]bool, last+1)
	highest := 0
	for ev, err := range client.Events(req) {
		if err != nil {
			t.Fatalf("after event %d of %d, %s: %v", highest, last, c, err)
		}
		n := Number(ev.Data)
		if n < 1 || n > last {
			t.Fatalf("an event that was not sent: %.100q", ev.Data)
		}
		c.Events++
		if came[n] {
			c.Repeated++
		} else if n < highest {
			t.Errorf("event %d after %d", n, highest)
		}
		came[n] = true
		highest = max(highest, n)
		if seen != nil {
			seen(n)
		}
		if n == last {
			break
		}
	}
	if highest != last {
		t.Fatalf("the stream has ended after event %d of %d: %s", highest, last, c)
	}
	for n := 1; n <= last; n++ {
		if !came[n] {
			c.Lost = append(c.Lost, n)
		}
	}
	return c
}

// ExactlyOnce fails the test unless each event came once.
func (c Count) ExactlyOnce(t testing.TB) {
	t.Helper()
	if len(c.Lost) != 0 || c.Repeated != 0 {
		t.Errorf("%s", c)
	}
}

// Cut fails the test if one of the drops looks like the end of a complete response.
func (c Count) Cut(t testing.TB) {
	t.Helper()
	for _, drop := range c.Drops {
		if unfinished := (*sse.UnfinishedError)(nil); drop.Err == io.EOF || errors.As(drop.Err, &unfinished) {
			t.Errorf("a connection that was cut looks complete: %v", drop.Err)
		}
	}
}
