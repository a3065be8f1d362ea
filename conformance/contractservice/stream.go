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
	"time"

	"github.com/lastevent/sse"
)

const (
	// defaultDelay is the wait before a reconnection if the harness names none. It is short
	// so that the harness's test of 204, which watches for one second, can fail.
	defaultDelay = 100 * time.Millisecond

	// minDelay is the shortest reconnection time of package sse, for the harness's 0.
	minDelay = 10 * time.Millisecond
)

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

// stream is one client, which posts all that it sees to the harness. Everything but restart
// and close happens on the goroutine of run, so the harness gets the callbacks in order. The
// stream waits while the harness takes one.
type stream struct {
	params
	events *sse.Stream
	done   chan struct{} // closed when run has returned

	ctx    context.Context
	cancel context.CancelCauseFunc

	opened    bool // the current connection has opened the stream
	callbacks int  // posted so far
}

func newStream(ctx context.Context, transport http.RoundTripper, p params) (*stream, error) {
	s := &stream{params: p, done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	var body io.Reader
	if p.Body != "" {
		body = strings.NewReader(p.Body)
	}
	req, err := http.NewRequestWithContext(s.ctx, p.Method, p.StreamURL, body)
	if err != nil {
		s.cancel(err)
		return nil, err
	}
	for name, value := range p.Headers {
		req.Header.Set(name, value)
	}
	if p.LastEventID != "" {
		req.Header.Set("Last-Event-ID", p.LastEventID)
	}
	client := sse.Client{
		HTTPClient:       &http.Client{Transport: transport},
		Reconnect:        sse.Transient, // from the first attempt, and for POST, as the harness expects
		ReconnectionTime: defaultDelay,
		NewBackoff:       func(initial time.Duration) sse.Backoff { return constant(initial) },
		Trace: &sse.Trace{
			Connect:    func(*http.Request) { s.opened = false },
			Open:       func(*http.Response) { s.opened = true },
			Comment:    func(text string) { s.post(callback{Kind: "comment", Comment: &text}) },
			Disconnect: s.disconnected,
		},
	}
	if p.InitialDelayMs != nil {
		client.ReconnectionTime = max(minDelay, time.Duration(*p.InitialDelayMs)*time.Millisecond)
	}
	if p.ReadTimeoutMs != nil {
		client.IdleTimeout = time.Duration(*p.ReadTimeoutMs) * time.Millisecond
	}
	s.events = client.Stream(req)
	return s, nil
}

// constant is the policy of equal waits.
type constant time.Duration

func (c constant) NextBackOff() time.Duration { return time.Duration(c) }

// run posts the events until the stream is over, or the harness closes it.
func (s *stream) run() {
	defer close(s.done)
	defer s.cancel(nil)
	for ev, err := range s.events.Events() {
		if err != nil {
			s.fail(err)
			return
		}
		s.post(callback{Kind: "event", Event: &event{ev.Type, ev.Data, ev.LastEventID}})
	}
}

// disconnected reports an error that a reconnection may fix, except that of a connection
// which had opened the stream: only silence is reported then. A restart is not an error.
func (s *stream) disconnected(info sse.DisconnectInfo) {
	if info.Reconnect && info.Err != errRestart && (!s.opened || errors.Is(info.Err, sse.ErrIdleTimeout)) {
		s.fail(info.Err)
	}
}

func (s *stream) fail(err error) {
	text := err.Error()
	s.post(callback{Kind: "error", Error: &text})
}

// restart drops the connection, or ends the wait for the next one.
func (s *stream) restart() { s.events.Restart(errRestart) }

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

// post gives the harness the next callback. Callbacks are numbered from 1, without a gap: if
// one cannot be posted, the stream is over.
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
