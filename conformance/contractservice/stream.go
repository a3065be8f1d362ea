package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/conformance/internal/pace"
)

// defaultDelay is the wait before a reconnection where the harness names none: short, so
// that its test of 204, which looks for a second, can fail.
const defaultDelay = 100 * time.Millisecond

// params is the harness's order for a stream. Times are in milliseconds, null for none.
type params struct {
	Tag            string
	StreamURL      string
	CallbackURL    string
	InitialDelayMs *int
	ReadTimeoutMs  *int
	LastEventID    string
	Method         string
	Body           string
	Headers        map[string]string
}

var (
	errRestart = errors.New("the harness asks for a restart")
	errClosed  = errors.New("the harness has closed the stream")
)

// stream is one client, which posts all that it sees to the harness. Everything happens on
// one goroutine, so the harness gets it in order; the stream waits for the harness.
type stream struct {
	params
	client  sse.Client
	request *http.Request
	done    chan struct{}

	ctx    context.Context
	cancel context.CancelCauseFunc

	opened    bool   // the current connection
	cursor    string // what the next range resumes after
	callbacks int    // posted

	mu      sync.Mutex
	attempt context.CancelCauseFunc // of the current range
}

func newStream(ctx context.Context, p params) (*stream, error) {
	s := &stream{params: p, cursor: p.LastEventID, done: make(chan struct{})}
	var body io.Reader
	if p.Body != "" {
		body = strings.NewReader(p.Body)
	}
	req, err := http.NewRequest(p.Method, p.StreamURL, body)
	if err != nil {
		return nil, err
	}
	for name, value := range p.Headers {
		req.Header.Set(name, value)
	}
	s.request = req
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.client = sse.Client{
		Reconnect:  sse.Transient, // from the first attempt, and for POST, as the harness wants it
		NewBackoff: func(initial time.Duration) sse.Backoff { return constant(initial) },
		Trace: &sse.Trace{
			Connect:    func(*http.Request) { s.opened = false },
			Open:       func(*http.Response) { s.opened = true },
			Comment:    func(text string) { s.post(callback{Kind: "comment", Comment: &text}) },
			Disconnect: s.disconnected,
		},
	}
	if p.ReadTimeoutMs != nil {
		s.client.IdleTimeout = time.Duration(*p.ReadTimeoutMs) * time.Millisecond
	}
	return s, nil
}

// constant is the policy of waiting as long each time.
type constant time.Duration

func (c constant) NextBackOff() time.Duration { return time.Duration(c) }

// run runs the stream until it ends: by itself, or because the harness closes it.
func (s *stream) run() {
	defer close(s.done)
	defer s.cancel(nil)
	for {
		attempt, cancel := context.WithCancelCause(s.ctx)
		s.mu.Lock()
		s.attempt = cancel
		s.mu.Unlock()
		s.consume(attempt)
		cancel(nil)
		if context.Cause(attempt) != errRestart {
			return
		}
	}
}

// consume ranges over the events once.
func (s *stream) consume(ctx context.Context) {
	delay := defaultDelay
	if s.InitialDelayMs != nil {
		delay = time.Duration(*s.InitialDelayMs) * time.Millisecond
	}
	client := s.client
	client.HTTPClient = &http.Client{Transport: pace.Transport(http.DefaultTransport, delay)}
	req := s.request.Clone(ctx)
	if s.cursor != "" {
		req.Header.Set("Last-Event-ID", s.cursor)
	}
	for ev, err := range client.Events(req) {
		if err == nil {
			s.post(callback{Kind: "event", Event: &event{ev.Type, ev.Data, ev.LastEventID}})
		} else if ctx.Err() == nil {
			s.fail(err)
		}
	}
}

// disconnected reports what a reconnection will cure, but for the plain loss of a
// connection, which is nothing to tell anyone.
func (s *stream) disconnected(info sse.DisconnectInfo) {
	s.cursor = info.LastEventID
	if info.Reconnect && (!s.opened || errors.Is(info.Err, sse.ErrIdleTimeout)) {
		s.fail(info.Err)
	}
}

func (s *stream) fail(err error) {
	text := err.Error()
	s.post(callback{Kind: "error", Error: &text})
}

func (s *stream) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attempt != nil {
		s.attempt(errRestart)
	}
}

// close ends the stream; nothing is posted after it returns.
func (s *stream) close() {
	s.cancel(errClosed)
	<-s.done
}

type callback struct {
	Kind    string  `json:"kind"`
	Event   *event  `json:"event,omitempty"`
	Comment *string `json:"comment,omitempty"`
	Error   *string `json:"error,omitempty"`
}

type event struct {
	Type string `json:"type"`
	Data string `json:"data"`
	ID   string `json:"id"` // the last event ID in force
}

// post gives the harness the next callback. They are numbered from 1, without a gap: if one
// does not get there, the stream is at its end.
func (s *stream) post(c callback) {
	if s.ctx.Err() != nil {
		return
	}
	s.callbacks++
	err := s.send(fmt.Sprintf("%s/%d", s.CallbackURL, s.callbacks), c)
	if err != nil && s.ctx.Err() == nil {
		log.Printf("%s: %v", cmp.Or(s.Tag, s.StreamURL), err)
		s.cancel(err)
	}
}

func (s *stream) send(url string, c callback) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode >= 300 {
		return fmt.Errorf("POST %s: %s", url, resp.Status)
	}
	return nil
}
