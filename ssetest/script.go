package ssetest

import (
	"io"
	"net/http"
	"testing"

	"github.com/lastevent/sse"
)

// A Script plays a server's part in one connection. The connection ends when it returns.
type Script func(*Conn)

// NewScriptedServer starts a server that plays one script for each request, in their order, and
// then answers 204 No Content, which ends a client's stream.
func NewScriptedServer(t testing.TB, scripts ...Script) *Server {
	next := make(chan Script, len(scripts))
	for _, script := range scripts {
		next <- script
	}
	close(next)
	var s *Server
	s = NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if script, ok := <-next; ok {
			script(&Conn{s: s, w: w, r: r})
		} else {
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	return s
}

// A Conn is the server's end of one connection, for a [Script]. What it sends goes out
// at once.
type Conn struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	sent bool // the header
}

// Request returns the request.
func (c *Conn) Request() *http.Request { return c.r }

// Header returns the response's header, to be changed before anything is sent. Its
// Content-Type is that of an event stream unless it is set.
func (c *Conn) Header() http.Header { return c.w.Header() }

// Send sends an event. It is an error of the test when the wire form cannot carry it.
func (c *Conn) Send(ev sse.Event) {
	text, err := ev.AppendText(nil)
	if err != nil {
		c.s.errorf("ssetest: %v", err)
		return
	}
	c.Write(string(text))
}

// Write sends text as it is: comments, retry fields, halves of events. With "" it opens
// the stream and sends nothing.
func (c *Conn) Write(text string) {
	if c.Header().Get("Content-Type") == "" {
		c.Header().Set("Content-Type", "text/event-stream")
	}
	c.sent = true
	_, _ = io.WriteString(c.w, text) // a client that has left is no error
	_ = http.NewResponseController(c.w).Flush()
}

// Status answers with a status and a body that is no event stream. With a redirect's
// status text is the Location. It is an error of the test when something was sent before,
// since the status was sent with it.
func (c *Conn) Status(code int, text string) {
	if c.sent {
		c.s.errorf("ssetest: Conn.Status(%d, %q) comes too late: a status has been sent", code, text)
		return
	}
	c.sent = true
	if code >= 300 && code < 400 {
		c.Header().Set("Location", text)
		c.w.WriteHeader(code)
		return
	}
	if code == http.StatusNoContent {
		c.w.WriteHeader(code)
		return
	}
	http.Error(c.w, text, code)
}

// Wait says nothing until the client leaves.
func (c *Conn) Wait() { <-c.r.Context().Done() }

// Abort cuts the connection and ends the script: the client sees an unexpected EOF.
func (c *Conn) Abort() { panic(http.ErrAbortHandler) }
