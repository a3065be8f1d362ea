package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A counter is an MCP server with a tool that counts, and reports each number as progress.
type counter struct {
	*mcp.Server
	runs atomic.Int32 // of the tool
}

// A count is the arguments of the tool.
type count struct {
	To   int  `json:"to"`
	Poll bool `json:"poll,omitempty"` // close the stream first, and ask the client to reconnect
	Ping bool `json:"ping,omitempty"` // ping the client before the last number
}

func newCounter() *counter {
	c := &counter{Server: mcp.NewServer(&mcp.Implementation{Name: "counter", Version: "1"}, nil)}
	mcp.AddTool(c.Server, &mcp.Tool{Name: "count"}, c.count)
	return c
}

func (c *counter) count(ctx context.Context, req *mcp.CallToolRequest, args count) (*mcp.CallToolResult, any, error) {
	c.runs.Add(1)
	if args.Poll {
		req.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: 20 * time.Millisecond})
	}
	for n := 1; n <= args.To; n++ {
		if args.Ping && n == args.To {
			pingCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
			err := req.Session.Ping(pingCtx, nil)
			cancel()
			if err != nil {
				return nil, nil, err
			}
		}
		// An error means that no client can receive it, which is no reason to stop.
		_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: req.Params.GetProgressToken(), Progress: float64(n), Total: float64(args.To),
		})
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "counted"}}}, nil, nil
}

// handler returns a handler of the server. Its streams can be resumed if opts has an
// EventStore.
func (c *counter) handler(opts mcp.StreamableHTTPOptions) http.Handler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return c.Server }, &opts)
}

// A flaky handler ends its event streams in the middle of an event.
type flaky struct {
	http.Handler
	after int  // events that each response carries before that
	clean bool // end the response, as some proxies do; or else cut the connection
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	fw := &flakyWriter{ResponseWriter: w, after: f.after, cut: cut}
	f.Handler.ServeHTTP(fw, r.WithContext(ctx)) // which returns when ctx is done
	if fw.after < 0 && !f.clean {
		panic(http.ErrAbortHandler)
	}
}

// A flakyWriter is written to one event at a time.
type flakyWriter struct {
	http.ResponseWriter
	after int // events that are still written; negative: the stream has ended
	cut   func()
}

func (w *flakyWriter) Write(p []byte) (int, error) {
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
		w.after--
	}
	switch {
	case w.after == -1:
		_, _ = w.ResponseWriter.Write(p[:len(p)/2])
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		w.cut()
		return 0, io.ErrClosedPipe
	case w.after < -1:
		return 0, io.ErrClosedPipe
	}
	return w.ResponseWriter.Write(p)
}

func (w *flakyWriter) FlushError() error {
	if w.after < 0 {
		return io.ErrClosedPipe
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}
