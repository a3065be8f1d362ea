// Command mcp calls a tool of a server of the Model Context Protocol, over the streamable HTTP
// transport. Its connections are cut in the middle of the call, and each message still
// arrives exactly once:
//
//	cd examples/mcp && go run .
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/lastevent/sse"
)

func main() {
	if err := demo(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, w io.Writer) (err error) {
	server := newCounter()
	handler := server.handler(mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)})
	srv := httptest.NewServer(&flaky{Handler: handler, after: 3})
	defer srv.Close()

	drops := 0
	s, err := open(ctx, srv.URL, sse.Client{
		IdleTimeout:      time.Minute,
		ReconnectionTime: 100 * time.Millisecond,
		Trace: &sse.Trace{Disconnect: func(info sse.DisconnectInfo) {
			if info.Reconnect {
				drops++
				fmt.Fprintf(w, "%s: %v; resume after event %s\n", info.Request.Method, info.Err, info.LastEventID)
			}
		}},
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "session opened, protocol version", s.version)
	defer func() {
		if err = errors.Join(err, s.close(ctx)); err == nil {
			fmt.Fprintln(w, "session closed")
		}
	}()

	total := 0
	byID := make(map[string]int) // how often each event ID came
	result, err := s.call(ctx, "tools/call", map[string]any{
		"name": "count", "arguments": count{To: 10}, "_meta": map[string]any{"progressToken": "p"},
	}, func(m message) {
		var params struct{ Progress, Total int }
		if m.Method == "notifications/progress" && json.Unmarshal(m.Params, &params) == nil {
			fmt.Fprintf(w, "progress %d of %d\n", params.Progress, params.Total)
			total++
			byID[m.EventID]++
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "answer: %s\n", result)
	fmt.Fprintf(w, "%d drops; progress received: %d, with %d IDs; the tool ran %d time(s)\n", drops, total, len(byID), server.runs.Load())
	return nil
}
