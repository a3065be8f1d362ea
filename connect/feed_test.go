package connect

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// A feed is a server of event streams, one for each path. Its events are numbered from 1,
// and it replays those after a Last-Event-ID.
type feed struct {
	*httptest.Server
	format func(n int) string // the event with the number n, id included
	last   int                // the number of the last event; 0: there is no last one
	hold   bool               // keep the stream open after the last event, instead of 204 for the next request

	mu        sync.Mutex
	published int                 // events that may be sent
	changed   chan struct{}       // closed when published changes
	resumed   map[string][]string // by request URI: the Last-Event-ID of each request
}

// newFeed returns a feed that sends events 1 to published.
func newFeed(t *testing.T, published int) *feed {
	f := &feed{published: published, changed: make(chan struct{}), resumed: make(map[string][]string)}
	f.format = func(n int) string { return fmt.Sprintf("id: %d\ndata: event %d\n\n", n, n) }
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// publish lets the feed send events up to n.
func (f *feed) publish(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.published = n
	close(f.changed)
	f.changed = make(chan struct{})
}

// requests returns the Last-Event-ID of each request for a path and query.
func (f *feed) requests(uri string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.resumed[uri])
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("Last-Event-ID")
	f.mu.Lock()
	f.resumed[r.RequestURI] = append(f.resumed[r.RequestURI], id)
	last := f.last
	f.mu.Unlock()
	n, _ := strconv.Atoi(id)
	if last > 0 && n >= last && !f.hold {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 20\n\n")
	for {
		f.mu.Lock()
		published, changed := f.published, f.changed
		f.mu.Unlock()
		for n < published && (last == 0 || n < last) {
			n++
			if _, err := fmt.Fprint(w, f.format(n)); err != nil {
				return
			}
		}
		w.(http.Flusher).Flush()
		if last > 0 && n >= last && !f.hold {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// endAt sets the last event of the streams that are opened from now on.
func (f *feed) endAt(last int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = last
}
