package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

func TestTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewServer(t,
			func(c *ssetest.Conn) { c.Status(503, "not yet") },
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: "a", LastEventID: "1"}); c.Abort() },
			func(c *ssetest.Conn) { c.Send(sse.Event{Type: "e", Data: "b", LastEventID: "2"}); c.Wait() },
		)
		var out, log bytes.Buffer
		if err := tail(t.Context(), srv.Client(), srv.URL(), &out, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), "1\tmessage\ta\n2\te\tb\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for _, want := range []string{`err="sse: 503 Service Unavailable`, `err="unexpected EOF"`, `err="sse: the server was silent`, `status="200 OK"`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("no %s in the log:\n%s", want, &log)
			}
		}
	})
}
