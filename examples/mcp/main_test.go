package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lastevent/sse/ssetest"
)

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ssetest.Serve(t, new(fake))
		var out bytes.Buffer
		if err := call(t.Context(), srv.Client(), srv.URL(), &out); err != nil {
			t.Fatal(err)
		}
		want := "progress: 1\nprogress: 2\nprogress: 3\nprogress: 4\nprogress: 5\nprogress: 6\nprogress: 7\nprogress: 8\nprogress: 9\nprogress: 10\nanswer: {\"calls\": 1}\n"
		if out.String() != want {
			t.Errorf("got %s", &out)
		}
		for i, r := range srv.Requests() {
			if want := []string{http.MethodPost, http.MethodGet}[min(i, 1)]; r.Method != want || i > 0 && r.Header.Get("Content-Type") != "" {
				t.Errorf("request %d is a %s", i, r.Method)
			}
		}
	})
}

func TestNoAnswer(t *testing.T) {
	for body, want := range map[string]string{"data: nonsense\n\n": "invalid character", "204": "no answer"} {
		synctest.Test(t, func(t *testing.T) {
			srv := ssetest.NewServer(t, func(c *ssetest.Conn) {
				if body == "204" {
					c.Status(http.StatusNoContent, "")
					return
				}
				c.Write(body)
			})
			if err := call(t.Context(), srv.Client(), srv.URL(), new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}
