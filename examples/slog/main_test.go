package main

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
			func(c *ssetest.Conn) {
				c.Send(sse.Event{Data: "a", LastEventID: "1"})
				time.Sleep(5 * time.Second)
				c.Abort()
			},
			func(c *ssetest.Conn) { c.Status(503, "restarting") },
			func(c *ssetest.Conn) { c.Write(": hello\n\ndata: b\n\n") },
		)
		var out, log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "again_in" { // which is random
				return slog.Attr{}
			}
			return a
		}}))
		client := sse.Client{HTTPClient: srv.Client(), Trace: trace(logger)}
		if err := copyData(t.Context(), &out, &client, srv.URL()); err != nil {
			t.Fatal(err)
		}
		if out.String() != "a\nb\n" {
			t.Errorf("printed %q", &out)
		}
		want := `level=DEBUG msg=connect after=""
level=INFO msg=open status=200 proto=HTTP/1.1
level=WARN msg=drop err="unexpected EOF" after=1 open_for=5s
level=DEBUG msg=connect after=1
level=WARN msg=drop err="sse: GET http://sse.test: 503 Service Unavailable: \"restarting\"" after=1
level=DEBUG msg=connect after=1
level=INFO msg=open status=200 proto=HTTP/1.1
level=DEBUG msg=comment text=" hello"
level=WARN msg=drop err=EOF after=1 open_for=0s
level=DEBUG msg=connect after=1
`
		if log.String() != want {
			t.Errorf("got\n%s\nwant\n%s", &log, want)
		}
	})
}
