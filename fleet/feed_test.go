package fleet

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// feeds serves streams, each at a path of its own, whose events are numbered from 1. Each
// has as many events by now as publish has said, and resumes after any Last-Event-ID.
type feeds struct {
	*httptest.Server
	mu   sync.Mutex
	last int
	more chan struct{} // closed when there are more
	end  bool          // then 204
}

func serveFeeds(t testing.TB) *feeds {
	f := &feeds{more: make(chan struct{})}
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// urls returns the URLs of n streams.
func (f *feeds) urls(n int) []string { return feedURLs(f.URL, n) }

func feedURLs(url string, n int) (urls []string) {
	for i := range n {
		urls = append(urls, fmt.Sprintf("%s/%d", url, i))
	}
	return urls
}

// publish appends n events to each stream.
func (f *feeds) publish(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last += n
	close(f.more)
	f.more = make(chan struct{})
}

// finish ends all streams after the last event: clients get 204 from then on.
func (f *feeds) finish() {
	f.mu.Lock()
	f.end = true
	f.mu.Unlock()
	f.publish(0)
}

func (f *feeds) state() (last int, more <-chan struct{}, end bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.more, f.end
}

func (f *feeds) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	last, _, end := f.state()
	if end && n >= last {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 100\n\n")
	for {
		last, more, end := f.state()
		for ; n < last; n++ {
			fmt.Fprintf(w, "id: %d\ndata: %s\n\n", n+1, r.URL.Path)
		}
		w.(http.Flusher).Flush()
		if end {
			return
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// tally counts what is handled, and refuses what a member does that has lost its lease.
type tally struct {
	mu      sync.Mutex
	streams map[string]*handled
	refused []refusal
	gaps    int
}

type handled struct {
	last, repeats, leases int
	token                 uint64
	owner                 string // that has had the last lease
}

type refusal struct{ member, stream string }

func newTally() *tally { return &tally{streams: make(map[string]*handled)} }

// add counts an event, unless the stream has another owner by now.
func (c *tally) add(member, stream, id string, token uint64) error {
	n, err := strconv.Atoi(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.of(stream)
	if token < s.token {
		c.refused = append(c.refused, refusal{member, stream})
		return fmt.Errorf("token %d is older than %d", token, s.token)
	}
	switch {
	case n > s.last+1:
		c.gaps++
	case n <= s.last:
		s.repeats++
	}
	s.last, s.token = max(n, s.last), token
	return nil
}

// acquired counts a lease. Its predecessors are refused from then on.
func (c *tally) acquired(member, stream string, token uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.of(stream)
	s.leases++
	if token > s.token {
		s.token, s.owner = token, member
	}
}

// owners returns how many streams each member has had the last lease on.
func (c *tally) owners() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	owners := make(map[string]int)
	for _, s := range c.streams {
		owners[s.owner]++
	}
	return owners
}

func (c *tally) of(stream string) *handled {
	s := c.streams[stream]
	if s == nil {
		s = new(handled)
		c.streams[stream] = s
	}
	return s
}

// done reports whether each of n streams was handled up to an event.
func (c *tally) done(n, last int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.streams) < n {
		return false
	}
	for _, s := range c.streams {
		if s.last < last {
			return false
		}
	}
	return true
}

// missing returns a line for each stream that was not handled up to an event.
func (c *tally) missing(last int) (streams []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, s := range c.streams {
		if s.last < last {
			streams = append(streams, fmt.Sprintf("%s of %s: %d of %d, token %d", name, s.owner, s.last, last, s.token))
		}
	}
	return streams
}

// late returns what was refused.
func (c *tally) late() []refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.refused)
}

// repeats returns how many events were handled again.
func (c *tally) repeats() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.streams {
		n += s.repeats
	}
	return n
}

// eventually waits until what it asks for is so.
func eventually(t testing.TB, within time.Duration, what string, so func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !so() {
		require.NoError(t, sleep(ctx, 5*time.Millisecond), "%s, not within %v", what, within)
	}
	return time.Since(began)
}

// listen returns a port that nobody listens on.
func listen(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}
