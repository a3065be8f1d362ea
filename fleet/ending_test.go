package fleet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// serveBriefly serves one event to each request and closes the stream cleanly, as a server does
// that is deployed. From the given request on it answers 204.
func serveBriefly(t *testing.T, requests int) string {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i := n.Add(1)
		if i >= int64(requests) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "retry: 10\nid: %d\ndata\n\n", i)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestCleanClose: only 204 ends a stream for all members.
func TestCleanClose(t *testing.T) {
	node := startNode(t, server.Options{})
	kv := newBucket(t, node.ClientURL(), 1)
	never := func(error) bool { return false }
	for _, test := range []struct {
		name, method string
		client       *sse.Client
	}{
		{"a POST", http.MethodPost, nil},
		{"a policy that declines", http.MethodGet, &sse.Client{Reconnect: never}},
		{"a client that reconnects", http.MethodGet, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			url, count := serveBriefly(t, 3), newTally()
			cfg := counting(kv, "a", count)
			cfg.Client = test.client
			cfg.Request = func(ctx context.Context, stream string) (*http.Request, error) {
				return http.NewRequestWithContext(ctx, test.method, stream, strings.NewReader(""))
			}
			trace, seen := recordTrace()
			cfg.Trace = trace
			runMember(t, cfg, []string{url})
			eventually(t, 20*time.Second, "the second event", func() bool { return count.done(1, 2) })
			eventually(t, 20*time.Second, "the end", func() bool { return len(seen.of("released")) == 1 })
			require.True(t, seen.of("released")[0].Ended, "by 204")
			require.Equal(t, "2", seen.of("released")[0].LastEventID)
			if test.name != "a client that reconnects" {
				require.Len(t, seen.of("stream"), 2, "each clean close is reported")
				require.Equal(t, io.EOF, seen.of("stream")[0].Err)
				require.Positive(t, seen.of("stream")[0].Delay)
			}
		})
	}
}
