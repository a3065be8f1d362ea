package sse_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/reference"
)

// The web-platform-tests of eventsource/ that apply to a Go client, each under its name,
// on NewEventSource. What does not apply: prototypes, realms, windows, workers, the
// back-forward cache, and the refusals of CORS.

// wpt runs a test of the suite: a server, and an EventSource on it that runs until it is
// closed. It returns what the listeners saw.
func wpt(t *testing.T, name string, handlers []http.HandlerFunc, check func(t *testing.T, s *server, l *log), types ...string) {
	in(t, name, func(t *testing.T) {
		s := serve(t, handlers...)
		es := byURL(t, s)
		l := listen(es, types...)
		_ = es.Run(t.Context()) // the server's 204 ends it
		require.Equal(t, sse.Closed, es.ReadyState())
		check(t, s, l)
	})
}

// messagePy is the suite's message.py.
func messagePy(contentType, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if contentType == "" {
			contentType = "text/event-stream"
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, message+"\n\n\n")
	}
}

func one(h http.HandlerFunc) []http.HandlerFunc { return []http.HandlerFunc{h} }

// seen requires the lines that the log begins with.
func seen(want ...string) func(*testing.T, *server, *log) {
	return func(t *testing.T, _ *server, l *log) {
		require.GreaterOrEqual(t, len(l.lines), len(want))
		require.Equal(t, want, l.lines[:len(want)])
	}
}

// failsForGood requires one error, Closed, no event, no further request.
func failsForGood(t *testing.T, s *server, l *log) {
	require.Len(t, l.lines, 1)
	require.True(t, strings.HasPrefix(l.lines[0], "error "), l.lines[0])
	require.True(t, strings.HasSuffix(l.lines[0], " CLOSED"), l.lines[0])
	require.Len(t, s.requests, 1)
}

func TestWPT(t *testing.T) {
	message := one(messagePy("", "data: data"))
	const opens, data = "open 200 OPEN", `message "data" OPEN`

	block := "data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n"
	wpt(t, "event-data", one(func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			send(w, block)
			pause(r, 2*time.Second)
		}
	}), seen(opens, `message "msg\nmsg" OPEN`, `message "" OPEN`, `message "end" OPEN`, `message "msg\nmsg" OPEN`))

	in(t, "eventsource-close, states", func(t *testing.T) {
		es := byURL(t, serve(t, message...))
		require.Equal(t, sse.Connecting, es.ReadyState())
		es.OnOpen(func(*http.Response) {
			require.Equal(t, sse.Open, es.ReadyState())
			es.Close()
			require.Equal(t, sse.Closed, es.ReadyState())
		})
		require.NoError(t, es.Run(t.Context()))
	})
	wpt(t, "eventsource-close, reconnect-fail", []http.HandlerFunc{stream("retry: 2\ndata: opened\n\n"), stream("data: reconnected\n\n")},
		func(t *testing.T, _ *server, l *log) {
			require.Equal(t, []string{opens, `message "opened" OPEN`, "error EOF CONNECTING",
				opens, `message "reconnected" OPEN`, "error EOF CONNECTING", "error sse: 204 No Content CLOSED"}, l.lines)
		})
	in(t, "eventsource-request-cancellation", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			pause(r, time.Second)
			messagePy("", "retry:1000\ndata:abc")(w, r)
		})
		es := byURL(t, s)
		l := listen(es)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, es.Run(ctx), context.DeadlineExceeded)
		time.Sleep(time.Second)
		require.Equal(t, []string{"error context deadline exceeded CLOSED"}, l.lines)
		require.Equal(t, sse.Closed, es.ReadyState())
		require.Equal(t, "-", s.lastEventIDs(), "one request")
	})
	for _, name := range []string{"eventsource-onopen", "eventsource-constructor-document-domain"} {
		wpt(t, name, message, seen(opens))
	}
	for _, name := range []string{"eventsource-onmessage", "eventsource-onmessage-trusted"} {
		wpt(t, name, message, seen(opens, data))
	}
	in(t, "eventsource-eventtarget", func(t *testing.T) {
		es := byURL(t, serve(t, message...))
		got := ""
		es.AddEventListener("message", func(ev sse.Event) { got = ev.Data; es.Close() })
		require.NoError(t, es.Run(t.Context()))
		require.Equal(t, "data", got)
	})
	t.Run("eventsource-url, eventsource-constructor-stringify", func(t *testing.T) {
		es, err := sse.NewEventSource("http://example.net/a?b=c")
		require.NoError(t, err)
		require.Equal(t, "http://example.net/a?b=c", es.URL())
	})
	t.Run("eventsource-constructor-empty-url", func(t *testing.T) {
		for _, url := range []string{"", "/feed", "feed"} { // nothing here to resolve it against
			_, err := sse.NewEventSource(url)
			require.ErrorContains(t, err, "must be absolute")
		}
	})
	t.Run("eventsource-constructor-url-bogus", func(t *testing.T) {
		_, err := sse.NewEventSource("http://this is invalid/")
		require.Error(t, err)
	})
	for _, url := range []string{"ftp://example.not/", "about:blank", "mailto:whatwg@awesome.example", "javascript:alert('FAIL')"} {
		in(t, "eventsource-constructor-non-same-origin, "+url, func(t *testing.T) {
			es, err := sse.NewEventSource(url)
			require.NoError(t, err)
			l := listen(es)
			require.Error(t, es.Run(t.Context()))
			require.Len(t, l.lines, 1)
			require.True(t, strings.HasSuffix(l.lines[0], " CLOSED"))
		})
	}

	wpt(t, "eventsource-reconnect, 200", []http.HandlerFunc{stream("retry: 2\n"), stream("data: data\n\n")}, func(t *testing.T, s *server, l *log) {
		seen(opens, "error EOF CONNECTING", opens, data)(t, s, l)
		require.Less(t, s.waits()[0], 15*time.Millisecond) // 2 ms, raised to 10
	})
	wpt(t, "eventsource-reconnect, events", []http.HandlerFunc{stream("retry: 2\ndata: ok\n\n"), stream("data: data\n\n")},
		seen(opens, `message "ok" OPEN`, "error EOF CONNECTING", opens, data))

	for name, header := range map[string]string{"request-accept": "Accept", "request-cache-control": "Cache-Control"} {
		echo := func(w http.ResponseWriter, r *http.Request) {
			send(w, "data: "+strings.Join(r.Header.Values(header), "|")+"\n\n")
		}
		value := map[string]string{"Accept": "text/event-stream", "Cache-Control": "no-cache"}[header]
		wpt(t, name, []http.HandlerFunc{echo, echo}, seen(opens, fmt.Sprintf("message %q OPEN", value), "error EOF CONNECTING",
			opens, fmt.Sprintf("message %q OPEN", value)))
	}
	for _, code := range []int{301, 302, 303, 307, 308} {
		wpt(t, fmt.Sprintf("request-redirect, %d", code), []http.HandlerFunc{status(code, "Location", "/message"), messagePy("", "data: data")},
			seen(opens, data))
	}
	for _, code := range []int{204, 205, 210, 299, 404, 410, 503} {
		wpt(t, fmt.Sprintf("request-status-error, %d", code), one(status(code, "Content-Type", "text/event-stream")), failsForGood)
	}
	wpt(t, "format-mime-bogus", one(messagePy("x bogus", "data: data")), failsForGood)
	wpt(t, "format-mime-valid-bogus", one(messagePy("text/x-bogus", "data: data")), failsForGood)
	wpt(t, "format-mime-trailing-semicolon", one(messagePy("text/event-stream;", "data: data")), seen(opens, data))
	wpt(t, "format-utf-8", one(messagePy("text/event-stream;charset=windows-1252", "data:ok…")), seen(opens, `message "ok…" OPEN`))

	for _, credentials := range []bool{true, false} {
		in(t, fmt.Sprintf("request-credentials, %t", credentials), func(t *testing.T) {
			corsCookie := func(w http.ResponseWriter, r *http.Request) {
				cookie := "NO_COOKIE"
				if len(r.Cookies()) > 0 {
					cookie = "COOKIE"
				}
				if r.Header.Get("Last-Event-ID") == "" {
					http.SetCookie(w, &http.Cookie{Name: "c", Value: "1"})
					send(w, "id: 1\nretry: 200\ndata: first "+cookie+"\n\n")
				} else {
					send(w, "id: 2\ndata: second "+cookie+"\n\n")
				}
			}
			s := serve(t, corsCookie, corsCookie)
			es := byURL(t, s)
			want := `message "second NO_COOKIE" OPEN`
			if credentials {
				s.client.Jar, _ = cookiejar.New(nil)
				want = `message "second COOKIE" OPEN`
			}
			l := listen(es)
			require.NoError(t, es.Run(t.Context()))
			seen(opens, `message "first NO_COOKIE" OPEN`, "error EOF CONNECTING", opens, want)(t, s, l)
		})
	}

	otherHost := func(h http.HandlerFunc) []http.HandlerFunc {
		return []http.HandlerFunc{status(302, "Location", "http://other/feed"), h, status(302, "Location", "http://other/feed"), h}
	}
	wpt(t, "eventsource-cross-origin, redirect and reconnect", otherHost(stream("retry: 2\ndata: data\n\n")), func(t *testing.T, s *server, l *log) {
		seen(opens, data, "error EOF CONNECTING", opens, data)(t, s, l)
		require.Equal(t, "other", s.requests[1].Host)
		require.Equal(t, "memnet", s.requests[2].Host)
	})
	for _, id := range []string{"abc", strings.Repeat("a", 255), "e5p3n<3k0k0s"} {
		wpt(t, "eventsource-cross-origin-preflight, "+id[:3], []http.HandlerFunc{stream("id: " + id + "\nretry: 200\ndata: x\n\n")},
			func(t *testing.T, s *server, _ *log) { require.Equal(t, "- "+id, s.lastEventIDs()) })
	}
}

// TestWPTFormat runs the suite's format tests, 30 of them, through NewEventSource: the
// server closes behind the stream and gives the next one, or the same again.
func TestWPTFormat(t *testing.T) {
	n := 0
	for _, c := range specCases(t) {
		if !c.wptFormat {
			continue
		}
		n++
		in(t, c.Name, func(t *testing.T) {
			first := c.handler(string(c.stream()))
			handlers := []http.HandlerFunc{first}
			want, ids := c.Events, []string{"-"}
			again := func(id string, events []sse.Event, h http.HandlerFunc) {
				handlers, ids = append(handlers, h), append(ids, id)
				want = append(append([]sse.Event(nil), want...), events...)
			}
			for _, next := range c.Reconnect {
				again(next.RequestLastEventID, next.Events, c.handler(next.Stream))
			}
			if c.Reconnect == nil && c.LastEventID == "" {
				again("-", c.Events, first)
			}

			s := serve(t, handlers...)
			es := byURL(t, s)
			var got []sse.Event
			es.OnMessage(func(ev sse.Event) { got = append(got, ev) })
			es.AddEventListener("test", func(ev sse.Event) { got = append(got, ev) })
			var openAt []time.Time
			es.OnOpen(func(*http.Response) { openAt = append(openAt, time.Now()) })
			err := es.Run(t.Context())
			if c.ContentType != "" && !c.Opens {
				require.ErrorAs(t, err, new(*sse.ResponseError))
				require.Empty(t, got)
				require.Len(t, s.requests, 1)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Equal(t, strings.Join(ids, " "), strings.Join(strings.Split(s.lastEventIDs(), " ")[:len(ids)], " "))
			if c.Retry != nil && len(openAt) > 1 { // within 25 %, says the suite
				retry := time.Duration(c.Retry.Int64()) * time.Millisecond
				requireWithin(t, retry, retry*5/4, openAt[1].Sub(openAt[0]))
			}
		})
	}
	require.Equal(t, 30, n)
}

// TestWPTStream: eventsource-from-readable-stream has one error at the end, and no
// reconnection: Read is the Go form of it.
func TestWPTStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0
		for _, c := range specCases(t) {
			if !strings.HasPrefix(c.Name, "wpt-frs/") {
				continue
			}
			n++
			var got []sse.Event
			var errs []error
			for ev, err := range sse.Read(cutAt(c.stream(), c.Cuts...)) {
				if err != nil {
					errs = append(errs, err)
				} else {
					got = append(got, ev)
				}
			}
			require.Equal(t, len(c.Events), len(got), c.Name)
			for i := range got {
				require.Equal(t, c.Events[i], got[i], c.Name)
			}
			require.LessOrEqual(t, len(errs), 1, c.Name)
		}
		require.Equal(t, 10, n)
	})
}

// A specCase is a case of testdata/spec; see the README there.
type specCase struct {
	Name               string
	Stream             string
	StreamB64          []byte `json:"stream_b64"`
	Cuts               []int
	InitialLastEventID string
	Events             []sse.Event
	Retry              *big.Int
	LastEventID        string

	ContentType string
	Opens       bool
	Reconnect   []struct {
		RequestLastEventID string
		Stream             string
		Events             []sse.Event
	}

	wptFormat bool // in wpt-format.json
}

func (c *specCase) stream() []byte {
	if c.StreamB64 != nil {
		return c.StreamB64
	}
	return []byte(c.Stream)
}

// handler serves a stream with the case's media type.
func (c *specCase) handler(stream string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", cmp.Or(c.ContentType, "text/event-stream"))
		_, _ = io.WriteString(w, stream)
	}
}

func specCases(t testing.TB) []specCase {
	files, err := filepath.Glob("testdata/spec/*.json")
	require.NoError(t, err)
	var all []specCase
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		var cases []specCase
		require.NoError(t, json.Unmarshal(b, &cases), name)
		for i := range cases {
			cases[i].wptFormat = filepath.Base(name) == "wpt-format.json"
		}
		all = append(all, cases...)
	}
	require.Len(t, all, 449)
	return all
}

// TestSpec holds the parser and the reference to each case, in every cut and in the
// suite's own cuts.
func TestSpec(t *testing.T) {
	for _, c := range specCases(t) {
		if c.ContentType != "" && !c.Opens {
			continue // no parser gets to see it: TestSpecResponses
		}
		t.Run(c.Name, func(t *testing.T) {
			want := outcome{Events: c.Events, LastEventID: c.LastEventID}
			if len(want.Events) == 0 {
				want.Events = nil
			}
			if c.Retry != nil {
				want.HasRetry, want.Retry = true, math.MaxInt64
				if c.Retry.IsInt64() && c.Retry.Int64() <= math.MaxInt64/int64(time.Millisecond) {
					want.Retry = time.Duration(c.Retry.Int64()) * time.Millisecond
				}
			}

			ref := reference.Parse(c.stream(), c.InitialLastEventID)
			var events []sse.Event
			for _, ev := range ref.Events {
				events = append(events, sse.Event(ev))
			}
			require.Equal(t, want.Events, events, "reference")
			require.Equal(t, want.LastEventID, ref.LastEventID, "reference")
			require.Equal(t, c.Retry, ref.Retry, "reference")

			check := func(name string, r io.Reader) {
				p := new(sse.Parser)
				if c.InitialLastEventID != "" {
					p.SetLastEventID(c.InitialLastEventID)
				}
				got := parse(t, p, r)
				got.Comments, got.Unknown, got.Err = nil, nil, nil // the suites do not agree on these
				require.Equal(t, want, got, name)
			}
			everyCut(c.stream(), check)
			if c.Cuts != nil {
				check("the suite's cuts", cutAt(c.stream(), c.Cuts...))
			}
		})
	}
}

// TestSpecOneParser runs all cases through one Parser, one after another: nothing of a
// connection may leak into the next but the ID and the retry value.
func TestSpecOneParser(t *testing.T) {
	p := new(sse.Parser)
	for _, c := range specCases(t) {
		if c.ContentType != "" && !c.Opens {
			continue
		}
		p.SetLastEventID(c.InitialLastEventID)
		got := parse(t, p, bytes.NewReader(c.stream()))
		if len(c.Events) > 0 {
			require.Equal(t, c.Events, got.Events, c.Name)
		} else {
			require.Empty(t, got.Events, c.Name)
		}
		require.Equal(t, c.LastEventID, got.LastEventID, c.Name)
	}
}

// TestWild runs the shapes of real services' streams, in testdata/wild.
func TestWild(t *testing.T) {
	files, err := filepath.Glob("testdata/wild/*.txt")
	require.NoError(t, err)
	want := map[string]struct {
		events      int
		types       string // each once
		lastEventID string
		retry       time.Duration
	}{
		"anthropic":        {5, "message_start ping content_block_delta error message_stop", "", 0},
		"better-sse":       {2, "message", "1", 2 * time.Second},
		"couchdb":          {3, "message heartbeat", `"2-g1"`, 0},
		"firebase":         {4, "put patch keep-alive auth_revoked", "", 0},
		"gemini":           {2, "message", "", 0},
		"gin":              {2, "tick", "", 0},
		"home-assistant":   {3, "message", "", 0},
		"launchdarkly":     {2, "put patch", "", 0},
		"mcp":              {3, "message", "s1_2", 500 * time.Millisecond},
		"mercure":          {2, "message closed", "urn:uuid:2", 0},
		"nchan":            {3, "message", "1795176522:[0],-", 0},
		"ntfy":             {3, "open message keepalive", "", 0},
		"openai-chat":      {5, "message", "", 0},
		"openai-error":     {2, "message", "", 0},
		"openai-responses": {3, "response.created response.output_text.delta response.completed", "", 0},
		"openrouter":       {2, "message", "", 0},
		"stellar":          {4, "open message close", "130-2", 10 * time.Millisecond},
		"wikimedia": {2, "message", `[{"topic":"eqiad.recentchange","partition":0,"timestamp":1795176521002},` +
			`{"topic":"codfw.recentchange","partition":0,"offset":-1}]`, 0},
	}
	require.Len(t, files, len(want))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			stream, err := os.ReadFile(file)
			require.NoError(t, err)
			std := byTheStandard(stream)
			var types []string
			for _, ev := range std.Events {
				if !slices.Contains(types, ev.Type) {
					types = append(types, ev.Type)
				}
			}
			require.Len(t, std.Events, want[name].events)
			require.Equal(t, want[name].types, strings.Join(types, " "))
			require.Equal(t, want[name].lastEventID, std.LastEventID)
			require.Equal(t, want[name].retry, std.Retry)
			everyCut(stream, func(cut string, r io.Reader) {
				require.Equal(t, std, parse(t, new(sse.Parser), r), cut)
			})
		})
	}
}
