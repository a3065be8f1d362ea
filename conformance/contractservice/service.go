package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// capabilities are all that the harness knows of.
var capabilities = []string{
	"bom", "comments", "event-type-listeners", "headers", "last-event-id", "post",
	"read-timeout", "report", "restart", "server-directed-shutdown-request",
}

// service is the HTTP side: it keeps the streams that the harness has asked for.
type service struct {
	http.ServeMux
	ctx       context.Context // of all streams
	stop      func()          // ends the service
	transport http.RoundTripper

	mu      sync.Mutex
	streams map[string]*stream // by number
	last    int                // number given
	running sync.WaitGroup
}

func newService(ctx context.Context, stop func(), transport http.RoundTripper) *service {
	s := &service{ctx: ctx, stop: stop, transport: transport, streams: make(map[string]*stream)}
	s.HandleFunc("GET /{$}", s.describe)
	s.HandleFunc("DELETE /{$}", s.shutdown)
	s.HandleFunc("POST /{$}", s.create)
	s.HandleFunc("POST /streams/{n}", s.command)
	s.HandleFunc("DELETE /streams/{n}", s.remove)
	return s
}

// wait waits for the streams, whose context is done.
func (s *service) wait() { s.running.Wait() }

func (s *service) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"name": "lastevent/sse", "capabilities": capabilities})
}

func (s *service) shutdown(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNoContent)
	s.stop()
}

func (s *service) create(w http.ResponseWriter, r *http.Request) {
	var p params
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	st, err := newStream(s.ctx, s.transport, p)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.last++
	n := strconv.Itoa(s.last)
	s.streams[n] = st
	s.mu.Unlock()
	s.running.Go(st.run)
	w.Header().Set("Location", "/streams/"+n)
	w.WriteHeader(http.StatusCreated)
}

func (s *service) command(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	st := s.streams[r.PathValue("n")]
	s.mu.Unlock()
	if st == nil {
		http.NotFound(w, r)
		return
	}
	var c struct{ Command string }
	err := json.NewDecoder(r.Body).Decode(&c)
	switch {
	case err != nil:
	case c.Command == "restart":
		st.restart()
	case c.Command == "listen":
		// The client gives events of every type.
	default:
		err = fmt.Errorf("unknown command %q", c.Command)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *service) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	st := s.streams[r.PathValue("n")]
	delete(s.streams, r.PathValue("n"))
	s.mu.Unlock()
	if st == nil {
		http.NotFound(w, r)
		return
	}
	st.close()
	w.WriteHeader(http.StatusNoContent)
}
