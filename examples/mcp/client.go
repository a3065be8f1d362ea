package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/lastevent/sse"
)

const maxAnswer = 16 << 20 // bytes of an answer that is not streamed

// errSessionOver is the error of a request whose session the server does not know, or does
// not know any more. The caller then opens a new one.
var errSessionOver = errors.New("mcp: the session is over")

// A transport sends the messages of a session, and receives their answers.
type transport struct {
	url     string
	client  sse.Client
	session string // Mcp-Session-Id; empty if the server keeps no sessions
	version string // MCP-Protocol-Version; empty until the server has chosen it
}

// request returns a request of the session.
func (t *transport) request(ctx context.Context, method string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, t.url, body)
	if err != nil {
		return nil, err
	}
	if t.session != "" {
		req.Header.Set("Mcp-Session-Id", t.session)
	}
	if t.version != "" {
		req.Header.Set("MCP-Protocol-Version", t.version)
	}
	return req, nil
}

// post sends a message, once. It returns a response that is no success as an error.
func (t *transport) post(ctx context.Context, m message) (*http.Response, error) {
	m.Version = "2.0"
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	req, err := t.request(ctx, http.MethodPost, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Accept-Encoding", "identity") // a proxy that compresses may hold back events
	resp, err := t.client.HTTPClient.Do(req)
	if err != nil {
		return nil, err
	}
	if err := t.check(resp); err != nil {
		return nil, err
	}
	return resp, nil
}

// answer returns the answer to the request with the given ID, whose POST resp responds to:
// either a JSON message or a stream. Other messages of the stream are passed to receive.
func (t *transport) answer(ctx context.Context, resp *http.Response, id string, receive func(message) error) (json.RawMessage, error) {
	defer resp.Body.Close()
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if mediaType != "application/json" {
		return t.follow(ctx, resp, id, receive)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, err
	}
	return m.answer()
}

// follow returns the answer from the stream that begins with resp. If the stream ends before
// the answer has come, GETs resume it until ctx is done.
//
// It uses Client.Continue, rather than Client.Events with a CheckResponse, because the
// request that may be repeated is then a GET from the start, and no policy can repeat the
// POST.
func (t *transport) follow(ctx context.Context, resp *http.Response, id string, receive func(message) error) (json.RawMessage, error) {
	if err := sse.CheckResponse(resp); err != nil {
		return nil, err
	}
	get, err := t.request(ctx, http.MethodGet, nil)
	if err != nil {
		return nil, err
	}
	var stream *sse.Stream
	client := t.client
	client.Reconnect = func(err error) bool {
		// A GET without a Last-Event-ID would open another stream, which never has the answer.
		position := stream.LastEventID()
		return position != "" && sse.Resumable(position) && resumable(err)
	}
	stream = client.Continue(resp, get)
	for ev, err := range stream.Events() {
		if err != nil {
			return nil, t.refusal(err)
		}
		if ev.Data == "" {
			continue // a priming event: a position to resume from, and no message
		}
		m := message{EventID: ev.LastEventID}
		if err := ev.Unmarshal(&m); err != nil {
			return nil, err
		}
		if m.Method == "" && string(m.ID) == id {
			return m.answer() // the stream is finished, and is not resumed
		}
		if err := receive(m); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("mcp: the stream ended before the answer, and cannot be resumed")
}

// resumable reports whether a GET may resume a stream that ended with err. A server answers
// 409 Conflict while it believes that the previous connection is still open.
func resumable(err error) bool {
	var refusal *sse.ResponseError
	if errors.As(err, &refusal) && refusal.StatusCode == http.StatusConflict {
		return true
	}
	return sse.Transient(err)
}

// check returns an error, and closes the body, if resp is no success.
func (t *transport) check(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return t.refusal(sse.CheckResponse(resp))
}

// refusal explains an error that may be a *sse.ResponseError: by the end of the session, or
// by the JSON-RPC error in the response's body. The error that it returns wraps both.
func (t *transport) refusal(err error) error {
	var refusal *sse.ResponseError
	var m message
	switch {
	case !errors.As(err, &refusal):
		return err
	case refusal.StatusCode == http.StatusNotFound && t.session != "":
		return fmt.Errorf("%w: %w", errSessionOver, err)
	case json.Unmarshal(refusal.Body, &m) == nil && m.Error != nil:
		return fmt.Errorf("%w: %w", m.Error, err)
	}
	return err
}
