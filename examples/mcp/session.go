package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/lastevent/sse"
)

// protocolVersion is the last one with sessions, and with streams that can be resumed.
const protocolVersion = "2025-11-25"

// A session is a client's session with a server. Its methods may be called from any
// goroutine.
type session struct {
	transport
	calls atomic.Int64 // the ID of the last call
}

// open begins a session. The HTTPClient of client must have no Timeout, which would cut the
// stream that answers a POST. Credentials belong in its Transport: the Prepare of client
// does not see the POSTs. The Reconnect of client is not used.
func open(ctx context.Context, url string, client sse.Client) (*session, error) {
	client.HTTPClient = cmp.Or(client.HTTPClient, http.DefaultClient)
	s := &session{transport: transport{url: url, client: client}}
	result, err := s.call(ctx, "initialize", map[string]any{
		"protocolVersion": protocolVersion,
		"capabilities":    map[string]any{},
		"clientInfo":      map[string]any{"name": "sse-example", "version": "1"},
	}, nil)
	if err != nil {
		return nil, err
	}
	var chosen struct{ ProtocolVersion string }
	if err := json.Unmarshal(result, &chosen); err != nil {
		return nil, err
	}
	s.version = chosen.ProtocolVersion
	if err := s.send(ctx, message{Method: "notifications/initialized"}); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// call sends a request and returns its result, or the *rpcError that the server answers
// with. Notifications that come before the answer are passed to notify, if it is not nil.
//
// The end of ctx ends the wait for the answer, but not the server's work.
func (s *session) call(ctx context.Context, method string, params any, notify func(message)) (json.RawMessage, error) {
	id := strconv.FormatInt(s.calls.Add(1), 10)
	rawParams, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	resp, err := s.post(ctx, message{ID: json.RawMessage(id), Method: method, Params: rawParams})
	if err != nil {
		return nil, err
	}
	if method == "initialize" {
		s.session = resp.Header.Get("Mcp-Session-Id")
	}
	return s.answer(ctx, resp, id, func(m message) error {
		switch {
		case m.Method != "" && m.ID != nil:
			return s.reply(ctx, m)
		case m.Method != "" && notify != nil:
			notify(m)
		}
		return nil
	})
}

// reply answers a request of the server's. This client announces no capabilities, so the
// server may only ask whether it is alive.
func (s *session) reply(ctx context.Context, m message) error {
	if m.Method == "ping" {
		return s.send(ctx, message{ID: m.ID, Result: json.RawMessage("{}")})
	}
	return s.send(ctx, message{ID: m.ID, Error: &rpcError{Code: methodNotFound, Message: "method not found"}})
}

// send sends a message that has no answer.
func (s *session) send(ctx context.Context, m message) error {
	resp, err := s.post(ctx, m)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// close ends the session. A server that lets no client end its sessions answers 405 Method
// Not Allowed.
func (s *session) close(ctx context.Context) error {
	if s.session == "" {
		return nil
	}
	req, err := s.request(ctx, http.MethodDelete, nil)
	if err != nil {
		return err
	}
	resp, err := s.client.HTTPClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusMethodNotAllowed {
		return nil
	}
	return s.check(resp)
}
