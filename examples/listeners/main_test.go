package main

import (
	"bytes"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

func TestCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.NewScriptedServer(t,
			func(c *ssetest.Conn) { c.Write("data:1\n\nevent:add\ndata:2\n\nevent:add\ndata:3\n\n") },
			func(c *ssetest.Conn) { c.Write("event:remove\ndata:4\n\nevent:bye\ndata:5\n\ndata:6\n\n"); c.Wait() },
		)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		es := (&sse.Client{HTTPClient: srv.Client()}).EventSource(req)
		var out bytes.Buffer
		if err := count(t.Context(), es, []string{"add", "remove"}, &out); err != nil {
			t.Fatal(err)
		}
		want := "open: 200 OK\nCONNECTING: EOF\nopen: 200 OK\n2 add\n1 remove\n1 message\n"
		if out.String() != want {
			t.Errorf("got %s\nwant %s", &out, want)
		}
	})
}
