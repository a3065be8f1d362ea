package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// A recorder is a server that keeps the requests it has answered.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string
}

func serve(t *testing.T, h http.Handler) *recorder {
	t.Helper()
	rec := new(recorder)
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.mu.Lock()
		rec.requests = append(rec.requests, r.Method+" "+r.URL.String())
		rec.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (rec *recorder) seen() []string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.requests
}

func (rec *recorder) client() *sse.Client {
	return &sse.Client{HTTPClient: rec.Client(), IdleTimeout: 10 * time.Second, ReconnectionTime: 10 * time.Millisecond}
}

// body returns a handler that streams a text and then closes the stream, or cuts it.
func body(text string, cut bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s := newEventStream(w)
		s.send(text)
		if cut {
			s.cut()
		}
	})
}

// refuse returns a handler that answers with a status and a text.
func refuse(status int, mediaType, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	})
}

// requireFailure requires an outcome, and what the service said, "" if it said nothing.
func requireFailure(t *testing.T, err error, want outcome, message string) {
	t.Helper()
	var f *failure
	require.ErrorAs(t, err, &f)
	require.Equal(t, want, f.Outcome)
	if message == "" {
		require.Nil(t, f.Service)
		return
	}
	require.NotNil(t, f.Service)
	require.Equal(t, message, f.Service.Message)
}

func TestShow(t *testing.T) {
	const want = `chat, model weather: I will look up both 
	truncated answer: sse: the stream ended inside an event: type "message", ID "", data "{\"choices\": [{\"index\": 0, \"delta\": {\"content\": "
chat, model weather: I will look up both cities.
	complete answer: stopped by "tool_calls", 14 tokens in, 31 out, call weather({"city": "Oslo"}), call weather({"city": "Bergen"})
chat, model retired: 
	refusal: There is no such model (invalid_request_error)
chat, model busy: I will look up both 
	error in the stream: The server is overloaded (server_error)
chat, model broken: 
	bare error: The prompt is too long (invalid_request_error)
messages, model sky: The air scatters blue 
	truncated answer: unexpected EOF
messages, model sky: The air scatters blue light most.
	complete answer: stopped by "end_turn", 14 tokens in, 8 out
messages, model busy: The air 
	error in the stream: The server is overloaded (overloaded_error)
responses, model sky: The air scatters [cut] blue light most.
	complete answer: stopped by "completed", 14 tokens in, 8 out
`
	var out strings.Builder
	for _, f := range formats {
		show(t.Context(), &out, f)
	}
	require.Equal(t, want, out.String())
}

func TestUnreachable(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			rec := serve(t, f.fake())
			rec.Close()
			_, err := f.ask(t.Context(), io.Discard, rec.client(), rec.URL, "any")
			require.Error(t, err)
			require.NotErrorAs(t, err, new(*failure), "nothing is known of an answer")
		})
	}
}

func TestNoAnswer(t *testing.T) {
	const text = `{"error": {"message": "The key is invalid", "type": "authentication_error"}}`
	for _, f := range formats {
		for name, test := range map[string]struct {
			handler http.Handler
			outcome outcome
			message string
		}{
			"401":         {refuse(http.StatusUnauthorized, "application/json", text), refused, "The key is invalid"},
			"503":         {refuse(http.StatusServiceUnavailable, "application/json", text), refused, "The key is invalid"},
			"502, HTML":   {refuse(http.StatusBadGateway, "text/html", "<html>"), refused, ""},
			"200, JSON":   {refuse(http.StatusOK, "application/json", text), refused, "The key is invalid"},
			"bare":        {body(text, false), bareError, "The key is invalid"},
			"bare, LF":    {body(text+"\n\n", false), bareError, "The key is invalid"},
			"bare, lines": {body("{\r\n  \"error\": {\r\n    \"message\": \"The key is invalid\"\r\n  }\r\n}\r\n", false), bareError, "The key is invalid"},
			"bare, HTML":  {body("<html>\n", false), truncated, ""},
			"nothing":     {body("", false), truncated, ""},
			"cut":         {body("", true), truncated, ""},
		} {
			t.Run(fmt.Sprintf("%s, %s", f.name, name), func(t *testing.T) {
				rec := serve(t, test.handler)
				var out strings.Builder
				_, err := f.ask(t.Context(), &out, rec.client(), rec.URL, "any")
				requireFailure(t, err, test.outcome, test.message)
				require.Empty(t, out.String())
				require.Len(t, rec.seen(), 1, "a POST is not repeated")
				if test.outcome == refused {
					require.ErrorAs(t, err, new(*sse.ResponseError))
				} else {
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				}
			})
		}
	}
}
