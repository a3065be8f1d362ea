package main

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

func TestTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
			func(c *ssetest.Conn) { c.Status(503, "not yet") },
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: "a", LastEventID: "1"}); c.Abort() },
			func(c *ssetest.Conn) { c.Send(sse.Event{Type: "e", Data: "b", LastEventID: "2"}); c.Wait() },
		)
		var out bytes.Buffer
		if err := tail(t.Context(), srv.Client(), srv.URL(), &out); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), "1\tmessage\ta\n2\te\tb\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		var after []string
		for _, r := range srv.Requests() {
			after = append(after, r.Header.Get("Last-Event-ID"))
		}
		if want := []string{"", "", "1", "2"}; !slices.Equal(after, want) {
			t.Errorf("asked for what follows %q, want %q", after, want)
		}
	})
}
