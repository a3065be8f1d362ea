package connect_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	_ "github.com/lastevent/sse/connect"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// pipe runs a pipeline until the stream at url has ended.
func pipe(ctx context.Context, url string, handle func(data, typ string) error) error {
	b := service.NewStreamBuilder()
	b.SetLogger(slog.Default())
	if err := b.AddInputYAML(fmt.Sprintf("sse: { url: %q, idle_timeout: 45s }", url)); err != nil {
		return err
	}
	if err := b.AddConsumerFunc(func(_ context.Context, m *service.Message) error {
		data, err := m.AsBytes()
		if err != nil {
			return err
		}
		typ, _ := m.MetaGet("sse_type")
		return handle(string(data), typ) // an error: the message comes again
	}); err != nil {
		return err
	}
	stream, err := b.Build()
	if err != nil {
		return err
	}
	return stream.Run(ctx)
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") == "2" {
			w.WriteHeader(http.StatusNoContent) // the stream has ended
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "retry: 10\n\nid: 1\nevent: greeting\ndata: hello\n\nid: 2\ndata: world\n\n")
	}))
	defer server.Close()
	err := pipe(context.Background(), server.URL, func(data, typ string) error {
		fmt.Println(typ+":", data)
		return nil
	})
	fmt.Println(err)
	// Output:
	// greeting: hello
	// message: world
	// <nil>
}
