package main

import (
	"bytes"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

func TestAnswers(t *testing.T) {
	formats := map[string]func(io.Writer, iter.Seq2[sse.Event, error]) error{"/v1/chat/completions": openAI, "/v1/messages": anthropic}
	const part, typed = `data: {"choices":[{"delta":{"content":"It "}}]}` + "\n\n", "event: content_block_delta\n" + `data: {"delta":{"text":"It "}}` + "\n\n"
	for _, test := range []struct{ path, body, answer, err string }{
		{"/v1/chat/completions", "", "The air scatters blue light most.", ""},
		{"/v1/messages", "", "The air scatters blue light most.", ""},
		{"/v1/chat/completions", ": thinking\n\n" + part + "data: [DONE]\n\n" + part, "It ", ""},
		{"/v1/chat/completions", part + `data: {"error":{"message":"overloaded"}}` + "\n\n", "It ", "overloaded"},
		{"/v1/messages", "event: ping\ndata: {}\n\n" + typed + "event: error\n" + `data: {"error":{"message":"overloaded"}}` + "\n\n", "It ", "overloaded"},
		{"/v1/messages", typed, "It ", "unexpected EOF"},
		{"/v1/messages", "data: {\n\n", "", "JSON"},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := ssetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.body == "" {
					fake(w, r)
					return
				}
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, test.body)
			}))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err = formats[test.path](&out, (&sse.Client{HTTPClient: srv.Client()}).Events(req))
			if out.String() != test.answer || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %q, %v; want %+v", &out, err, test)
			}
			if n := len(srv.Requests()); n != 1 {
				t.Errorf("%d requests, and each costs", n)
			}
		})
	}
}
