package conform

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse/internal/suite"
)

// contractTimeout is for each request to the service.
const contractTimeout = 10 * time.Second

// A Contract is a client behind a service of LaunchDarkly's contract tests. It opens a stream
// for each scenario, and takes what the service posts.
type Contract struct {
	url     string
	base    string // of the callbacks
	listens bool   // the service needs to be told the types of events
	http    *http.Client
	server  *http.Server

	mu    sync.Mutex
	last  int
	posts map[string]*posts // by number
}

// posts are the callbacks of one stream. They are numbered from 1, and one that comes early
// waits for those before it.
type posts struct {
	mu    sync.Mutex
	next  int
	early map[int][]byte
	meter *meter
}

// NewContract returns the client behind the service at url.
func NewContract(url string) (*Contract, error) {
	c := &Contract{url: strings.TrimSuffix(url, "/"), http: &http.Client{Timeout: contractTimeout}, posts: make(map[string]*posts)}
	resp, err := c.http.Get(c.url + "/")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var self struct{ Capabilities []string }
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s/: %s", c.url, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxLine)).Decode(&self); err != nil {
		return nil, fmt.Errorf("GET %s/: %w", c.url, err)
	}
	c.listens = slices.Contains(self.Capabilities, "event-type-listeners")

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c.base = "http://" + ln.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{stream}/{k}", c.callback)
	c.server = &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = c.server.Serve(ln) }() // until Close
	return c, nil
}

// Start has the service open url.
func (c *Contract) Start(url string, types []string, see func(Record)) (func(), error) {
	c.mu.Lock()
	c.last++
	n := strconv.Itoa(c.last)
	c.posts[n] = &posts{next: 1, early: make(map[int][]byte), meter: &meter{see: see}}
	c.mu.Unlock()
	forget := func() {
		c.mu.Lock()
		delete(c.posts, n)
		c.mu.Unlock()
	}
	location, err := c.post(c.url+"/", map[string]any{
		"tag": url, "streamUrl": url, "callbackUrl": c.base + "/" + n, "initialDelayMs": nil, "readTimeoutMs": nil,
	})
	if err == nil && location == "" {
		err = errors.New("the service's response has no Location")
	}
	if err != nil {
		forget()
		return nil, err
	}
	if !strings.HasPrefix(location, "http:") {
		location = c.url + location
	}
	for _, typ := range types {
		if c.listens {
			_, _ = c.post(location, map[string]any{"command": "listen", "listen": map[string]string{"type": typ}})
		}
	}
	return func() {
		forget()
		if req, err := http.NewRequest(http.MethodDelete, location, nil); err == nil {
			if resp, err := c.http.Do(req); err == nil {
				resp.Body.Close()
			}
		}
	}, nil
}

// post posts an order, and returns the Location.
func (c *Contract) post(url string, body any) (string, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	resp, err := c.http.Post(url, "application/json", bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return "", fmt.Errorf("POST %s: %s", url, resp.Status)
	}
	return resp.Header.Get("Location"), nil
}

// callback takes what the service has seen.
func (c *Contract) callback(w http.ResponseWriter, r *http.Request) {
	k, err := strconv.Atoi(r.PathValue("k"))
	b, err2 := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLine))
	c.mu.Lock()
	p := c.posts[r.PathValue("stream")]
	c.mu.Unlock()
	if err := cmp.Or(err, err2); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if k < p.next || len(p.early) > 100 {
		p.meter.bad(fmt.Sprintf("callback %d comes twice, or too early", k))
		return
	}
	p.early[k] = b
	for p.early[p.next] != nil {
		p.take(p.early[p.next])
		delete(p.early, p.next)
		p.next++
	}
}

// take turns a callback into a line of the protocol.
func (p *posts) take(b []byte) {
	var v struct {
		Kind  string
		Event struct{ Type, Data, ID string }
	}
	if err := json.Unmarshal(b, &v); err != nil {
		p.meter.line(b) // which reports it
		return
	}
	switch v.Kind {
	case "event":
		ev := suite.Event{Type: cmp.Or(v.Event.Type, "message"), Data: v.Event.Data, LastEventID: v.Event.ID}
		p.meter.record(Record{Event: &ev}, len(b))
	case "error":
		p.meter.record(Record{Error: true}, len(b))
	case "comment":
	default:
		p.meter.bad(fmt.Sprintf("a callback of the kind %.100q", v.Kind))
	}
}

// Close ends the side that takes the callbacks. The service stays.
func (c *Contract) Close() { c.server.Close() }
