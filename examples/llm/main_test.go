package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		part := func(text string) string {
			b, _ := json.Marshal(text)
			return `{"choices":[{"delta":{"content":` + string(b) + `}}]}`
		}
		srv := ssetest.NewServer(t,
			func(c *ssetest.Conn) {
				c.Write(": thinking\n\n")
				for _, text := range []string{"It ", "scatters.", ""} {
					c.Send(sse.Event{Data: part(text)})
				}
				c.Send(sse.Event{Data: "[DONE]"})
				c.Wait() // the client leaves at the stop word
			},
			func(c *ssetest.Conn) { c.Send(sse.Event{Data: part("It ")}); c.Abort() },
			func(c *ssetest.Conn) {
				c.Send(sse.Event{Data: part("It ")})
				c.Send(sse.Event{Data: `{"error":{"message":"overloaded"}}`})
			},
			func(c *ssetest.Conn) { c.Status(401, "invalid key") },
		)
		m := model{client: srv.Client(), url: srv.URL(), key: "k", name: "m-1"}
		for _, want := range []struct{ answer, err string }{
			{"It scatters.\n", ""},
			{"It ", "unexpected EOF"}, // and no second request, which would cost again
			{"It ", "llm: overloaded"},
			{"", `sse: 401 Unauthorized: "invalid key"`},
		} {
			var out bytes.Buffer
			err := m.ask(t.Context(), "Why is the sky blue?", &out)
			if out.String() != want.answer || (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
				t.Errorf("got %q, %v; want %+v", &out, err, want)
			}
		}
		if n := len(srv.Requests()); n != 4 {
			t.Errorf("%d requests", n)
		}
	})
}
