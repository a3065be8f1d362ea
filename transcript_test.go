package sse_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

var update = flag.Bool("update", false, "write testdata/transcripts and api.txt")

// golden compares text with a file of testdata/transcripts, or writes it there.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", "transcripts", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test -update")
	require.Equal(t, string(want), text)
}

// script sends text and then does what follows.
func script(text string, then ...ssetest.Script) ssetest.Script {
	return func(c *ssetest.Conn) {
		c.Write(text)
		for _, script := range then {
			script(c)
		}
	}
}

// refuse answers with a status and headers.
func refuse(code int, text string, headers ...string) ssetest.Script {
	return func(c *ssetest.Conn) {
		for i := 0; i < len(headers); i += 2 {
			c.Header().Set(headers[i], headers[i+1])
		}
		c.Status(code, text)
	}
}

// TestTranscripts tells the stories of a stream, each in a file of its own.
func TestTranscripts(t *testing.T) {
	wait, abort := (*ssetest.Conn).Wait, (*ssetest.Conn).Abort
	token := "old"
	withToken := func(s ssetest.Script) ssetest.Script {
		return func(c *ssetest.Conn) {
			if c.Request().Header.Get("Authorization") != "Bearer new" {
				s = refuse(401, "token expired")
			}
			s(c)
		}
	}
	for name, story := range map[string]struct {
		client  sse.Client
		scripts []ssetest.Script
	}{
		"drop-inside-an-event": {sse.Client{}, []ssetest.Script{
			script("id: 1\ndata: a\n\nid: 2\nevent: lost\ndata: b", abort),
			script("id: 2\ndata: b\n\n", abort),
		}},
		"503-with-retry-after": {sse.Client{NewBackoff: every(0)}, []ssetest.Script{
			script("id: 1\ndata: a\n\n"),
			refuse(503, "restarting", "Retry-After", "20"),
			refuse(503, "restarting", "Retry-After", "Sat, 01 Jan 2000 00:01:00 GMT"),
			refuse(503, "restarting"),
			script("data: b\n\n"),
		}},
		"idle": {sse.Client{IdleTimeout: time.Minute}, []ssetest.Script{
			func(c *ssetest.Conn) {
				for range 3 {
					c.Write(": still here\n")
					time.Sleep(50 * time.Second)
				}
				c.Send(sse.Event{Data: "a", LastEventID: "1"})
				c.Wait()
			},
			wait,
			script("data: b\n\n"),
		}},
		"retry-field": {sse.Client{}, []ssetest.Script{
			script("retry: 3000\ndata: a\n\n"),
			script("data: b\n\n"),
			script("retry: 1\nretry: 10 seconds\ndata: c\n\n"),
			script("retry: 99999999999999999999\n\ndata: d\n\n"),
		}},
		"id-reset": {sse.Client{}, []ssetest.Script{
			script("id: 1\ndata: a\n\ndata: b\n\n"),
			script("data: c\n\nid\n\n"),
			script("data: d\n\nid: 2\n\n"),
			script("id: \x01\ndata: e\n\n"),
		}},
		"204": {sse.Client{}, []ssetest.Script{
			script("id: 1\ndata: a\n\n"),
			refuse(204, ""),
		}},
		"giving-up": {sse.Client{NewBackoff: func(time.Duration) sse.Backoff {
			return &row{[]time.Duration{time.Second, 2 * time.Second, 4 * time.Second, -1}}
		}}, []ssetest.Script{
			script("id: 1\ndata: a\n\n"),
			refuse(502, "no upstream"), refuse(502, "no upstream"), refuse(502, "no upstream"),
		}},
		"first-attempt-refused": {sse.Client{}, []ssetest.Script{
			refuse(503, "not yet"),
		}},
		"first-attempt-refused-transient": {sse.Client{Reconnect: sse.Transient}, []ssetest.Script{
			refuse(503, "not yet"),
			script("data: a\n\n"),
			refuse(404, "no such feed"),
		}},
		"redirect": {sse.Client{}, []ssetest.Script{
			refuse(307, "/moved"),
			script("id: 1\ndata: a\n\n"),
			refuse(301, "/moved/again"),
			script("id: 2\ndata: b\n\n"),
		}},
		"token-refresh-after-401": {sse.Client{
			Prepare: func(r *http.Request) error {
				r.Header.Set("Authorization", "Bearer "+token)
				return nil
			},
			Reconnect: func(err error) bool {
				if re, ok := err.(*sse.ResponseError); ok && re.StatusCode == http.StatusUnauthorized && token == "old" {
					token = "new"
					return true
				}
				return sse.Transient(err)
			},
		}, []ssetest.Script{
			withToken(script("data: nobody sees this\n\n")),
			withToken(script("id: 1\ndata: a\n\n")),
		}},
	} {
		in(t, name, func(t *testing.T) {
			srv := ssetest.NewScriptedServer(t, story.scripts...)
			rec := ssetest.NewRecorder()
			c := story.client
			c.HTTPClient, c.Trace = srv.Client(), rec.Trace()
			if c.NewBackoff == nil {
				c.NewBackoff = constant // no part of it is random
			}
			for range rec.Events(c.Get(t.Context(), srv.URL())) {
			}
			golden(t, name, rec.String()+requests(srv))
		})
	}
}

// requests lists what a server was asked for.
func requests(srv *ssetest.Server) string {
	var out strings.Builder
	out.WriteString("\nrequests:\n")
	for _, r := range srv.Requests() {
		fmt.Fprintf(&out, "%s %s %q\n", r.Method, r.URL.RequestURI(), r.Header.Get("Last-Event-ID"))
	}
	return out.String()
}

// TestDay is 24 hours of a stream with 1000 drops, most of them inside an event: each event
// comes once, and in order.
func TestDay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const drops, perConnection = 1000, 10
		const interval = 24 * time.Hour / (drops * perConnection)
		connection := 0
		srv := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			connection++
			if connection > drops+1 {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
			send(w, "retry: 10\n\n")
			for id := last + 1; id <= last+perConnection; id++ {
				pause(r, interval)
				event := fmt.Sprintf("id: %d\ndata: event %d\n\n", id, id)
				send(w, event)
			}
			next := fmt.Sprintf("id: %d\ndata: event %d\n\n", last+perConnection+1, last+perConnection+1)
			send(w, next[:connection%len(next)])
			panic(http.ErrAbortHandler)
		}))
		start := time.Now()
		c := sse.Client{HTTPClient: srv.Client(), IdleTimeout: time.Minute}
		want := 0
		for ev, err := range c.Get(t.Context(), srv.URL()) {
			require.NoError(t, err)
			want++
			require.Equal(t, strconv.Itoa(want), ev.LastEventID)
			require.Equal(t, "event "+ev.LastEventID, ev.Data)
		}
		require.Equal(t, (drops+1)*perConnection, want)
		require.Greater(t, time.Since(start), 24*time.Hour)
		require.Equal(t, drops+2, connection)
	})
}
