// Command mcp makes a call in the manner of the Model Context Protocol: a POST that is sent
// once, answered by a stream, which is resumed by GET until the answer is there. The server
// is a fake of its own, which drops the stream: go run ./examples/mcp
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/lastevent/sse"
)

func main() {
	srv := httptest.NewServer(new(fake))
	defer srv.Close()
	if err := call(context.Background(), http.DefaultClient, srv.URL, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func call(ctx context.Context, hc *http.Client, url string, w io.Writer) error {
	const message = `{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "count"}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(message))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	answered := false
	client := sse.Client{
		HTTPClient:  hc,
		IdleTimeout: time.Minute,
		Prepare:     resumeByGet,
		// Also where the first event, which gives an ID, got lost: only then is the POST sent again.
		Reconnect: func(err error) bool { return !answered && sse.Transient(err) },
	}
	for ev, err := range client.Events(req) {
		if err != nil {
			return err
		}
		if ev.Data == "" {
			continue // it gives an ID to resume after, before there is a message
		}
		var m struct {
			Params struct{ Progress int } // of a notification
			Result json.RawMessage        // of the answer
		}
		if err := json.Unmarshal([]byte(ev.Data), &m); err != nil {
			return err
		}
		if answered = m.Result != nil; answered {
			fmt.Fprintf(w, "answer: %s\n", m.Result)
			return nil
		}
		fmt.Fprintf(w, "progress: %d\n", m.Params.Progress)
	}
	return errors.New("mcp: no answer")
}

// resumeByGet makes a request that resumes a stream a GET.
func resumeByGet(r *http.Request) error {
	if r.Header.Get("Last-Event-ID") != "" {
		r.Method, r.Body, r.GetBody, r.ContentLength = http.MethodGet, nil, nil, 0
		r.Header.Del("Content-Type")
	}
	return nil
}
