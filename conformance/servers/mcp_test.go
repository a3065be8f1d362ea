package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/conformance/internal/toxic"
	"github.com/lastevent/sse/conformance/internal/wire"
)

// mcpServer returns a server of the Model Context Protocol with one tool, which counts: it
// notifies of each number, and answers at the end. Its streams can be resumed.
func mcpServer() http.Handler {
	type count struct {
		To      int `json:"to"`
		CloseAt int `json:"closeAt"` // after this number, the server closes the stream
	}
	srv := mcp.NewServer(&mcp.Implementation{Name: "numbers", Version: "1"}, nil)
	mcp.AddTool(srv, &mcp.Tool{Name: "count"}, func(ctx context.Context, req *mcp.CallToolRequest, in count) (*mcp.CallToolResult, any, error) {
		for n := 1; n <= in.To; n++ {
			if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: req.Params.GetProgressToken(), Progress: float64(n), Message: "one more of the numbers",
			}); err != nil {
				return nil, nil, err
			}
			if n == in.CloseAt {
				req.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: retry})
			}
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return srv },
		&mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)})
}

// message is what the tests look at of a JSON-RPC message.
type message struct {
	ID     int
	Method string
	Params struct{ Progress int }
	Result struct{ Content []struct{ Text string } }
}

// mcpRequest returns a POST of a message.
func mcpRequest(t *testing.T, url, session string, msg map[string]any) *http.Request {
	msg["jsonrpc"] = "2.0"
	body, err := json.Marshal(msg)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
		req.Header.Set("Mcp-Protocol-Version", mcpVersion)
	}
	return req
}

const mcpVersion = "2025-11-25"

// mcpSession opens a session, and returns its ID.
func mcpSession(t *testing.T, url string) string {
	resp, err := http.DefaultClient.Do(mcpRequest(t, url, "", map[string]any{"id": 1, "method": "initialize", "params": map[string]any{
		"protocolVersion": mcpVersion, "capabilities": struct{}{}, "clientInfo": map[string]string{"name": "sse", "version": "1"},
	}}))
	require.NoError(t, err)
	defer resp.Body.Close()
	var answers []message
	for m, err := range sse.Decode[message](sse.Read(resp.Body)) {
		require.NoError(t, err)
		answers = append(answers, m)
	}
	require.Len(t, answers, 1)
	session := resp.Header.Get("Mcp-Session-Id")
	require.NotEmpty(t, session)

	resp, err = http.DefaultClient.Do(mcpRequest(t, url, session, map[string]any{"method": "notifications/initialized"}))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	return session
}

// A counting is a call of the tool, and what came of it.
type counting struct {
	to, closeAt int
	continued   bool        // the POST is the caller's, and package sse continues its response
	seen        func(n int) // called with each number; may be nil

	numbers  []int
	answered bool
	drops    int
}

// run calls the tool: by a POST, which is resumed by GET. It returns the error that ended the
// stream.
func (c *counting) run(t *testing.T, p wire.Protocol, url, session string) error {
	client := client(t, p)
	// The server answers 409 until it has noticed that the connection before was cut.
	client.ReconnectionTime = 100 * time.Millisecond
	client.Trace = &sse.Trace{Disconnect: func(info sse.DisconnectInfo) {
		if info.Reconnect {
			c.drops++
		}
	}}
	post := mcpRequest(t, url, session, map[string]any{"id": 2, "method": "tools/call", "params": map[string]any{
		"name": "count", "arguments": map[string]int{"to": c.to, "closeAt": c.closeAt}, "_meta": map[string]any{"progressToken": "token"},
	}})
	toGet := func(r *http.Request) error {
		r.Method, r.Body, r.GetBody, r.ContentLength = http.MethodGet, nil, nil, 0
		r.Header.Del("Content-Type")
		r.Header.Set("Accept", "text/event-stream")
		return nil
	}
	var events iter.Seq2[sse.Event, error]
	if c.continued {
		resp, err := client.HTTPClient.Do(post)
		require.NoError(t, err)
		require.NoError(t, sse.CheckResponse(resp))
		get := post.Clone(t.Context())
		_ = toGet(get)
		events = client.Continue(resp, get).Events()
	} else {
		client.Prepare = func(r *http.Request) error {
			if r.Header.Get("Last-Event-ID") == "" {
				return nil
			}
			return toGet(r)
		}
		// After the answer, a close is no reason to reconnect.
		client.Reconnect = func(err error) bool { return !c.answered && sse.Transient(err) }
		events = client.Events(post)
	}
	// An event without data, which gives the client an ID before there is a message, is skipped.
	for m, err := range sse.Decode[message](events) {
		if err != nil {
			return err
		}
		if m.Method == "notifications/progress" {
			c.numbers = append(c.numbers, m.Params.Progress)
			if c.seen != nil {
				c.seen(m.Params.Progress)
			}
		}
		if m.ID == 2 {
			assert.Len(t, m.Result.Content, 1)
			c.answered = true
			if c.continued {
				break // the default policy would reconnect
			}
		}
	}
	return nil
}

// TestMCP: streams of the Model Context Protocol, by its own SDK.
func TestMCP(t *testing.T) { overHTTP1(t, testMCP) }

func testMCP(t *testing.T, p wire.Protocol) {
	const last = 1000
	row := table.Start("MCP go-sdk", table.ModuleVersion("github.com/modelcontextprotocol/go-sdk"), string(p))
	counted := make([]int, last)
	for i := range counted {
		counted[i] = i + 1
	}
	row.Run(t, "completion", func(t *testing.T) {
		url := p.Serve(t, mcpServer()).URL()
		c := counting{to: last}
		require.NoError(t, c.run(t, p, url, mcpSession(t, url)))
		assert.Equal(t, counted, c.numbers)
		assert.True(t, c.answered)
		assert.Zero(t, c.drops)
	})
	for _, continued := range []bool{false, true} {
		name := "resume after drops"
		if continued {
			name += ", a response that is continued"
		}
		row.Run(t, name, func(t *testing.T) {
			srv := p.Serve(t, mcpServer())
			session := mcpSession(t, srv.URL())
			proxy := toxic.Between(t, srv.Addr)
			proxy.Add(t, "limit_data", map[string]int{"bytes": 5000})
			c := counting{to: last, continued: continued}
			require.NoError(t, c.run(t, p, p.URL(proxy.Addr), session))
			t.Log(c.drops, "drops")
			assert.Equal(t, counted, c.numbers)
			assert.True(t, c.answered)
			assert.GreaterOrEqual(t, c.drops, 20)
		})
	}
	row.Run(t, "closed by the server, which asks for a reconnection", func(t *testing.T) {
		url := p.Serve(t, mcpServer()).URL()
		c := counting{to: last, closeAt: last / 2}
		require.NoError(t, c.run(t, p, url, mcpSession(t, url)))
		assert.Equal(t, counted, c.numbers)
		assert.True(t, c.answered)
		assert.Equal(t, 1, c.drops)
	})
	row.Run(t, "restart", func(t *testing.T) {
		h := &restartable{now: mcpServer()}
		srv := p.Serve(t, h)
		c := counting{to: 1_000_000, seen: func(n int) {
			if n == 10 {
				srv.Stop()
				h.set(mcpServer())
				srv.Start(t)
			}
		}}
		var refusal *sse.ResponseError
		require.ErrorAs(t, c.run(t, p, srv.URL(), mcpSession(t, srv.URL())), &refusal)
		assert.Equal(t, http.StatusNotFound, refusal.StatusCode)
		assert.False(t, c.answered)
		row.Differs("its sessions do not survive a restart: it then answers 404, which ends the stream, and the caller starts a new session")
	})
}
