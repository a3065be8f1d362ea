package load_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/load"
)

// A hub is a server that sends the same numbered events to all its clients, and replays from
// Last-Event-ID. Its faults are what the tests look for. Its log outlives the servers that serve it.
type hub struct {
	faults

	mu     sync.Mutex
	log    []time.Time // when event i+1 was published
	more   chan struct{}
	opened []time.Time // requests
}

// faults are asked with the number of the client and that of the event.
type faults struct {
	drop    func(client int, n int64) bool
	swap    func(client int, n int64) bool // this event and the next one
	stall   func(client int, n int64) bool // nothing from this event on
	end     func(client int, n int64) bool // the response ends before this event
	delay   func(client int, n int64) time.Duration
	replay  int                  // events that are sent again after a resumption
	refuse  func(client int) int // the status instead of a stream; 0: none
	header  time.Duration        // before the header
	retry   time.Duration        // of a field of each stream; 0: none
	bye     int                  // the status of a resumption; 0: a stream
	primes  bool                 // each stream begins with an event without text
	timeIDs bool                 // the IDs are times
	padding int                  // bytes
}

// publish publishes an event every interval, until the context ends.
func (h *hub) publish(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.append()
		case <-ctx.Done():
			return
		}
	}
}

func (h *hub) append() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, time.Now())
	if h.more != nil {
		close(h.more)
		h.more = nil
	}
}

// ready returns the log, and what is closed when it is longer.
func (h *hub) ready() ([]time.Time, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.more == nil {
		h.more = make(chan struct{})
	}
	return h.log, h.more
}

func (h *hub) published() int64 {
	log, _ := h.ready()
	return int64(len(log))
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, _ := strconv.Atoi(r.Header.Get("Client"))
	h.mu.Lock()
	h.opened = append(h.opened, time.Now())
	n := int64(len(h.log))
	h.mu.Unlock()
	if h.refuse != nil {
		switch status := h.refuse(client); status {
		case 0:
		case http.StatusNoContent:
			w.WriteHeader(status)
			return
		default:
			http.Error(w, "no", status)
			return
		}
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		n, _ = strconv.ParseInt(id, 10, 64)
		n = max(0, n-int64(h.replay))
		if h.bye != 0 {
			http.Error(w, "bye", h.bye)
			return
		}
	}
	if !sleep(r.Context(), h.header) {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if h.retry > 0 {
		fmt.Fprintf(w, "retry: %d\n", h.retry.Milliseconds())
	}
	fmt.Fprint(w, ":\n\n")
	if h.primes {
		fmt.Fprint(w, "data:\n\n")
	}
	flush := w.(http.Flusher).Flush
	flush()
	send := func(n int64, at time.Time) {
		if h.drop == nil || !h.drop(client, n) {
			id := n
			if h.timeIDs {
				id = at.UnixNano()
			}
			fmt.Fprintf(w, "id: %d\ndata: {\"n\":%d,\"ts\":%d,\"padding\":\"%*s\"}\n\n", id, n, at.UnixNano(), h.padding, "")
		}
	}
	for {
		log, more := h.ready()
		for ; n < int64(len(log)); n++ {
			if h.stall != nil && h.stall(client, n+1) {
				<-r.Context().Done()
				return
			}
			if h.end != nil && h.end(client, n+1) {
				return
			}
			if h.delay != nil {
				flush()
				if !sleep(r.Context(), time.Until(log[n].Add(h.delay(client, n+1)))) {
					return
				}
			}
			if h.swap != nil && h.swap(client, n+1) {
				for int64(len(log)) < n+2 {
					select {
					case <-more:
					case <-r.Context().Done():
						return
					}
					log, more = h.ready()
				}
				send(n+2, log[n+1])
				send(n+1, log[n])
				n++
				continue
			}
			send(n+1, log[n])
		}
		flush()
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// sleep sleeps, and reports whether the context has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A site is where a hub can be reached, in memory. It can be stopped and started again.
type site struct {
	mu  sync.Mutex
	ln  *memnet.Listener
	srv *http.Server
	h   http.Handler
}

func newSite(t testing.TB, h http.Handler) *site {
	s := &site{h: h}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *site) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ln, s.srv = memnet.Listen(), &http.Server{Handler: s.h}
	go s.srv.Serve(s.ln)
}

func (s *site) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.srv.Close()
	s.ln.Close()
}

func (s *site) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.mu.Lock()
	ln := s.ln
	s.mu.Unlock()
	return ln.DialContext(ctx, network, addr)
}

func (s *site) transport() http.RoundTripper {
	return &http.Transport{DialContext: s.dial, DisableKeepAlives: true}
}

const siteURL = "http://site/events"

// asClient tells the hub which stream is asking.
func asClient(i int, url string) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err == nil {
		req.Header.Set("Client", strconv.Itoa(i))
	}
	return req, err
}

// sentAt is the Config.Time of a hub's events.
func sentAt(ev sse.Event) (time.Time, bool) {
	var data struct{ TS int64 }
	err := ev.Unmarshal(&data)
	return time.Unix(0, data.TS), err == nil
}

// A trial is a run against a hub in a bubble, where time is fake and costs nothing.
type trial struct {
	load.Config
	hub      *hub
	interval time.Duration                  // of the events; 0: 100 ms
	during   func(s *site, start time.Time) // runs beside the run
	wrap     func(http.RoundTripper) http.RoundTripper
}

func (tr trial) run(t *testing.T) (report *load.Report, h *hub) {
	t.Helper()
	h = tr.hub
	if h == nil {
		h = new(hub)
	}
	if tr.interval == 0 {
		tr.interval = 100 * time.Millisecond
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, h)
		cfg := tr.Config
		cfg.URLs, cfg.Transport = []string{siteURL}, s.transport()
		if tr.wrap != nil {
			cfg.Transport = tr.wrap(cfg.Transport)
		}
		if cfg.Request == nil {
			cfg.Request = asClient
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go h.publish(ctx, tr.interval)
		if tr.during != nil {
			go tr.during(s, time.Now())
		}
		var err error
		report, err = load.Run(ctx, cfg)
		require.NoError(t, err)
	})
	return report, h
}
