package connect

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/require"
)

// TestEnd: what ends the input, and what is requested again.
func TestEnd(t *testing.T) {
	const answer = "id: 1\ndata: event 1\n\nid: 2\ndata: event 2\n\n"
	for name, test := range map[string]struct {
		input    string // fields
		text     string // of each answer but the second
		status   int    // of each answer; 0: 200
		again    bool   // there is a second request, which gets 204
		messages []string
		err      string // in the log
	}{
		"GET":                            {text: answer, again: true, messages: events(1, 2)},
		"GET, on_end never":              {input: "reconnect: { on_end: never }", text: answer, messages: events(1, 2)},
		"POST":                           {input: "method: POST\nbody: hello", text: answer, messages: events(1, 2)},
		"POST, on_end always":            {input: "method: POST\nreconnect: { on_end: always }", text: answer, again: true, messages: events(1, 2)},
		"GET, truncated":                 {text: answer + "data: ev", again: true, messages: events(1, 2)},
		"GET, truncated, on_end never":   {input: "reconnect: { on_end: never }", text: answer + "data: ev", again: true, messages: events(1, 2)},
		"GET, truncated, on_error never": {input: "reconnect: { on_error: never }", text: answer + "data: ev", messages: events(1, 2), err: `ended inside an event`},
		"POST, truncated":                {input: "method: POST", text: answer + "data: ev", messages: events(1, 2), err: `ended inside an event`},
		"POST, truncated, idempotent":    {input: "method: POST\nheaders: { idempotency-key: k }", text: answer + "data: ev", again: true, messages: events(1, 2)},
		"POST, a bare error":             {input: "method: POST", text: answer + `{"error":"overloaded"}`, messages: events(1, 2), err: `overloaded`},
		"POST, refused":                  {input: "method: POST", text: "no such model", status: 404, err: `404 Not Found`},
		"GET, refused":                   {text: "no", status: 401, again: true},
		"GET, refused, transient":        {input: "reconnect: { on_error: transient }", text: "no", status: 401, err: `401 Unauthorized`},
		"GET, unavailable, transient":    {input: "reconnect: { on_error: transient }", text: "no", status: 503, again: true},
		"GET, unavailable, standard":     {input: "reconnect: { on_error: standard }", text: "no", status: 503, err: `503 Service Unavailable`},
		"GET, too large":                 {input: "max_event_size: 10\nreconnect: { on_error: transient }", text: answer, err: `exceeds the size limit`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) == 2 {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				w.Header().Set("Content-Type", "text/event-stream")
				if test.status != 0 {
					w.WriteHeader(test.status)
				}
				fmt.Fprint(w, test.text)
			})
			input := fmt.Sprintf("url: %q\nreconnect: { time: 10ms }\n%s", srv.URL, test.input)
			if strings.Contains(test.input, "reconnect: {") {
				input = fmt.Sprintf("url: %q\n%s", srv.URL, strings.Replace(test.input, "reconnect: {", "reconnect: { time: 10ms,", 1))
			}
			p := start(t, "sse:\n  "+strings.ReplaceAll(input, "\n", "\n  "), "", nil)
			p.wait()
			require.Equal(t, test.messages, p.data())
			require.Equal(t, test.again, requests.Load() == 2, "requests: %d", requests.Load())
			failures := counts.get("sse_failures", srv.URL)
			if test.err == "" {
				require.Zero(t, failures)
				return
			}
			require.Equal(t, int64(1), failures)
			require.True(t, p.log.has("level=ERROR", srv.URL, "has ended with an error", test.err), p.log.String())
		})
	}
}

// TestRequest: method, headers and body arrive, and again at each connection.
func TestRequest(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprint(r.Method, " ", r.Host, " ", r.Header.Get("X-Count"), " ", r.Header.Get("Accept"), " ", string(body)))
		if len(seen) == 3 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
	})
	p := start(t, fmt.Sprintf(`
sse:
  url: %q
  method: POST
  body: '{"q":1}'
  headers: { Host: example.com, X-Count: '${! counter() }' }
  reconnect: { on_end: always, time: 10ms }
`, srv.URL), "", nil)
	p.wait()
	require.Equal(t, []string{
		`POST example.com 1 text/event-stream {"q":1}`,
		`POST example.com 2 text/event-stream {"q":1}`,
		`POST example.com 3 text/event-stream {"q":1}`,
	}, seen)
}

// TestConnect: Connect fails as long as no stream is open, with what is wrong, and the
// framework shows that it is not connected.
func TestConnect(t *testing.T) {
	var ready atomic.Bool
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if !ready.Load() {
			http.Error(w, "come back with a token", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 1\ndata: event 1\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	in := newTestInput(t, fmt.Sprintf("url: %q\nreconnect: { time: 10ms }", srv.URL))
	for range 2 {
		err := in.Connect(t.Context())
		require.ErrorContains(t, err, "401 Unauthorized")
		require.ErrorContains(t, err, "come back with a token")
	}
	ready.Store(true)
	var err error
	eventually(t, func() bool { err = in.Connect(t.Context()); return err == nil }, in.log)
	m, _ := in.read()
	b, err := m.AsBytes()
	require.NoError(t, err)
	require.Equal(t, "event 1", string(b))
	require.True(t, in.log.has("level=WARN", "401 Unauthorized", "next connection in"))
}

// TestNoSecrets: the log has neither the password nor the query of a URL, whatever fails.
func TestNoSecrets(t *testing.T) {
	gone := newServer(t, nil)
	address := strings.TrimPrefix(gone.URL, "http://")
	gone.Close()
	refusing := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/moved") {
			http.Redirect(w, r, "http://"+address+"/?token=secret", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	})
	for url, err := range map[string]string{
		"http://" + address + "/": "connection refused",
		refusing.URL + "/moved":   "connection refused",
		refusing.URL + "/":        "403 Forbidden",
	} {
		for _, onError := range []string{"always", "never"} {
			p := start(t, fmt.Sprintf("sse: { url: %q, reconnect: { time: 10ms, on_error: %s } }",
				strings.Replace(url, "http://", "http://user:secret@", 1)+"?token=secret", onError), "", nil)
			p.awaitLog(url, err)
			if onError == "never" {
				p.wait()
			} else {
				p.awaitLog("level=ERROR", "Failed to connect", err)
				p.stop()
			}
			require.NotContains(t, p.log.String(), "secret")
		}
	}
}

// TestEndWaits: the input does not end before its last events are handled, so that a
// rejected one comes again.
func TestEndWaits(t *testing.T) {
	f := newFeed(t, 2)
	f.last = 2
	in := newTestInput(t, fmt.Sprintf("url: %q", f.URL))
	require.NoError(t, in.Connect(t.Context()))
	_, ack := in.read()
	ack()
	ctx := t.Context()
	_, nack, err := in.Read(ctx)
	require.NoError(t, err)
	eventually(t, func() bool { return in.log.has("has ended") }, in.log)
	in.readNothing()
	require.NoError(t, nack(ctx, errRejected))
	m, ack := in.read()
	id, _ := m.MetaGet("sse_id")
	require.Equal(t, "2", id)
	ack()
	_, _, err = in.Read(ctx)
	require.True(t, errors.Is(err, service.ErrEndOfInput), err)
}
