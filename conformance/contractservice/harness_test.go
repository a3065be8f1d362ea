package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// limit is for each callback and connection. The public harness waits 5 s. With the race
// detector on, a busy machine takes much longer for an event of 14 MB: if its bytes arrive
// slowly, package sse reads most of them one by one.
const limit = 2 * time.Minute

// harness is the protocol's other side: it plays the servers, gives the service its
// orders, and takes the callbacks.
type harness struct {
	t       *testing.T
	url     string             // of the service
	stopped chan error         // of serve
	stop    context.CancelFunc // of the service
}

func startService(t *testing.T, transport string) *harness {
	h := &harness{t: t, stopped: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	h.stop = cancel
	listening := make(chan string, 1)
	go func() {
		h.stopped <- serve(ctx, "127.0.0.1:0", transports[transport], func(url string) { listening <- url })
	}()
	select {
	case h.url = <-listening:
	case err := <-h.stopped:
		require.NoError(t, err)
	}
	return h
}

// do sends the service a request, and returns the status and the Location.
func (h *harness) do(t *testing.T, method, path string, body any) (int, string) {
	b, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequest(method, h.url+path, bytes.NewReader(b))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Location")
}

// A conn is one connection of the stream under test, at the server.
type conn struct {
	*http.Request
	body string // of the request
	w    http.ResponseWriter
	end  chan struct{} // closed to end the handler
}

// open answers as an event stream does.
func (c *conn) open() *conn {
	c.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	c.w.WriteHeader(http.StatusOK)
	return c.send("")
}

// send writes each chunk, a little after the one before it.
func (c *conn) send(chunks ...string) *conn {
	for i, chunk := range chunks {
		if i > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		_, _ = io.WriteString(c.w, chunk)
		c.w.(http.Flusher).Flush()
	}
	return c
}

// answer answers with a status and a Location, "-" for none.
func (c *conn) answer(status int, location string) {
	if location != "-" {
		c.w.Header()["Location"] = []string{location}
	}
	c.w.WriteHeader(status)
	c.close()
}

// close ends the response.
func (c *conn) close() { close(c.end) }

// cut closes the connection in the middle of the response.
func (c *conn) cut() {
	nc, _, err := c.w.(http.Hijacker).Hijack()
	if err == nil {
		nc.Close()
	}
	c.close()
}

// A subject is one stream of the service, as its harness sees it.
type subject struct {
	h         *harness
	t         *testing.T
	server    *httptest.Server // the event stream's, and the callbacks'
	location  string
	conns     chan *conn
	callbacks chan callback
}

// start has the service open a stream at a server of our own.
func (h *harness) start(t *testing.T, order map[string]any) *subject {
	s := &subject{h: h, t: t, conns: make(chan *conn, 100), callbacks: make(chan callback, 1000)}
	mux, over := http.NewServeMux(), make(chan struct{})
	mux.HandleFunc("/endpoints/1", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c := &conn{r, string(body), w, make(chan struct{})}
		s.conns <- c
		select {
		case <-c.end:
		case <-over:
		}
	})
	expected := 0
	mux.HandleFunc("POST /callbacks/1/{k}", func(w http.ResponseWriter, r *http.Request) {
		expected++
		if k := r.PathValue("k"); k != fmt.Sprint(expected) {
			t.Errorf("callback %s, expected %d", k, expected)
		}
		var c callback
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		s.callbacks <- c
	})
	s.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		close(over)
		s.server.Close()
	})

	full := map[string]any{
		"tag": t.Name(), "initialDelayMs": nil, "readTimeoutMs": nil,
		"streamUrl": s.server.URL + "/endpoints/1", "callbackUrl": s.server.URL + "/callbacks/1",
	}
	for k, v := range order {
		full[k] = v
	}
	status, location := h.do(t, http.MethodPost, "/", full)
	require.Equal(t, http.StatusCreated, status)
	require.True(t, strings.HasPrefix(location, "/"), location)
	s.location = location
	t.Cleanup(func() {
		if s.location != "" {
			s.close()
		}
	})
	return s
}

// close has the service end the stream: the client leaves, and no callback is left over.
func (s *subject) close() {
	status, _ := s.h.do(s.t, http.MethodDelete, s.location, nil)
	require.Equal(s.t, http.StatusNoContent, status)
	s.location = ""
	select {
	case c := <-s.callbacks:
		s.t.Errorf("a callback that is not expected: %s", c)
	default:
	}
}

func (s *subject) command(body any) {
	status, _ := s.h.do(s.t, http.MethodPost, s.location, body)
	require.Equal(s.t, http.StatusNoContent, status)
}

// connection waits for the client's next request.
func (s *subject) connection() *conn {
	s.t.Helper()
	select {
	case c := <-s.conns:
		return c
	case <-time.After(limit):
		require.FailNow(s.t, "no connection")
		return nil
	}
}

// noConnection requires that there is no further request for a while.
func (s *subject) noConnection(d time.Duration) {
	s.t.Helper()
	select {
	case <-s.conns:
		s.t.Error("the client connects again")
	case <-time.After(d):
	}
}

// left waits until the client has closed the connection.
func (s *subject) left(c *conn) {
	s.t.Helper()
	select {
	case <-c.Context().Done():
	case <-time.After(limit):
		require.FailNow(s.t, "the client does not close its connection")
	}
}

// callback waits for the next callback.
func (s *subject) callback() callback {
	s.t.Helper()
	select {
	case c := <-s.callbacks:
		return c
	case <-time.After(limit):
		require.FailNow(s.t, "no callback")
		return callback{}
	}
}

// event requires the next callback to be this event.
func (s *subject) event(typ, data, id string) {
	s.t.Helper()
	require.Equal(s.t, callback{Kind: "event", Event: &event{typ, data, id}}, s.callback())
}

// failure requires the next callback to be an error with a text.
func (s *subject) failure() {
	s.t.Helper()
	c := s.callback()
	require.Equal(s.t, "error", c.Kind, "%s", c)
	require.NotEmpty(s.t, *c.Error)
}

func (c callback) String() string {
	b, _ := json.Marshal(c)
	return string(b)
}
