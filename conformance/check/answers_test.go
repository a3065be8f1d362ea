package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// answer is a handler of a language model's kind: to a POST, parts at intervals, and an end.
func answer(parts int, every time.Duration, end string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.Error(w, "POST it", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		_ = http.NewResponseController(w).Flush()
		for n := range parts {
			// Each answer is another one: only the times can be compared.
			fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":\"%d at %d\"}}]}\n\n", n, time.Now().UnixNano())
			_ = http.NewResponseController(w).Flush()
			if pause(r, every) {
				return
			}
		}
		_, _ = io.WriteString(w, end)
	}
}

// bursty collects an answer where the client accepts codings, as if it were compressed.
func bursty() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") == "identity" {
			answer(12, 300*time.Millisecond, "data: [DONE]\n\n")(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "br") // it says so, and nobody looks
		held := &held{ResponseWriter: w}
		answer(12, 300*time.Millisecond, "data: [DONE]\n\n")(held, r)
		_, _ = w.Write(held.text)
	}
}

type held struct {
	http.ResponseWriter
	text []byte
}

func (h *held) Write(p []byte) (int, error) {
	h.text = append(h.text, p...)
	return len(p), nil
}

func (h *held) Flush() {}

// TestAnswers: answers of language models.
func TestAnswers(t *testing.T) {
	args := []string{"-as", "llm", "-d", `{"stream":true}`}
	test(t, []row{
		{name: "good", args: args, url: serve(answer(12, 300*time.Millisecond, "data: [DONE]\n\n")), unverified: "no-resume idle-cut"},
		{name: "good, without the last blank line", args: args, url: serve(answer(12, 100*time.Millisecond, "data: [DONE]\n"))},
		{name: "good, another end", args: args, url: serve(answer(12, 100*time.Millisecond, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"))},
		{name: "good, without a profile", args: []string{"-d", "{}", "-skip", "no-ids"}, url: serve(answer(12, 300*time.Millisecond, "data: [DONE]\n\n"))},
		{name: "no end", want: "risk unfinished-event", args: args, url: serve(answer(12, 100*time.Millisecond, ""))},
		{name: "an error in place of the end", want: "problem unfinished-event", args: args, url: serve(answer(12, 100*time.Millisecond, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"))},
		{name: "an error outside of the framing", want: "problem unframed", also: "unfinished-event", args: args, url: serve(answer(12, 100*time.Millisecond, `{"error":{"message":"overloaded"}}`))},
		{name: "GET", want: "problem no-stream", args: []string{"-skip", "no-ids"}, url: serve(answer(1, 0, ""))},
		{name: "held by POST", want: "problem buffered", also: "header-late", args: []string{"-d", "{}"}, url: serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			feed{unsent: r.Method == http.MethodPost}.ServeHTTP(w, r)
		}))},
		{name: "held for browsers", want: "problem compressed-buffering", args: args, url: serve(bursty())},
	})
}

// protocolServer returns a server of the Model Context Protocol with one tool, which counts.
func protocolServer() http.Handler {
	srv := mcp.NewServer(&mcp.Implementation{Name: "numbers", Version: "1"}, nil)
	mcp.AddTool(srv, &mcp.Tool{Name: "count"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		for n := range 8 {
			time.Sleep(300 * time.Millisecond)
			if err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "token", Progress: float64(n)}); err != nil {
				return nil, nil, err
			}
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return srv },
		&mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)})
}

// withoutResponse answers the call of a tool with a stream that ends too early.
func withoutResponse(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	switch {
	case bytes.Contains(text, []byte(`"initialize"`)):
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":"sse-check","result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"1"}}}`)
		return
	case !bytes.Contains(text, []byte(`"tools/call"`)):
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1}}\n\n")
}

// TestProtocol: streams of the Model Context Protocol, by its own SDK.
func TestProtocol(t *testing.T) {
	call := []string{"-as", "mcp", "-d", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"count","arguments":{},"_meta":{"progressToken":"token"}}}`}
	test(t, []row{
		{name: "good", args: call, url: serve(protocolServer())},
		{name: "good, the stream of GET", args: []string{"-as", "mcp"}, url: serve(protocolServer())},
		{name: "without its response", want: "problem unfinished-event", also: "no-ids", args: call, url: serve(http.HandlerFunc(withoutResponse))},
	})
}

// TestFiles: bytes without a connection.
func TestFiles(t *testing.T) {
	file := func(text string) func(*testing.T) string {
		return func(t *testing.T) string {
			name := filepath.Join(t.TempDir(), "stream.txt")
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return name
		}
	}
	test(t, []row{
		{name: "good", url: file(numbered(1) + numbered(2)), unverified: "buffered no-resume retry cors"},
		{name: "BOM", want: "risk bom", url: file("\ufeff" + numbered(1))},
		{name: "unfinished", want: "problem unfinished-event", url: file(numbered(1) + "data: 2\n")},
		{name: "unknown", want: "problem unknown-field", url: file(numbered(1) + "id: 2\nData: 2\ndata: 2\n\n")},
		{name: "a page", want: "problem unframed", also: "no-ids", url: file("<html>\n</html>\n")},
	})
}
