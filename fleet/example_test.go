package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/fleet"
)

// The code of README.md, which is run here.

// consume handles the events of streams, together with all other processes that call it.
func consume(ctx context.Context, natsURL string, urls []string, handle fleet.Handler) error {
	conn, err := nats.Connect(natsURL, nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	bucket := jetstream.KeyValueConfig{Bucket: "feeds"} // with Replicas: 3 where NATS has three nodes
	kv, err := js.CreateOrUpdateKeyValue(ctx, bucket)
	if err != nil {
		return err
	}
	return fleet.Run(ctx, fleet.Config{
		KV:     kv,
		Client: &sse.Client{IdleTimeout: time.Minute},
		Commit: fleet.CommitPolicy{Events: 100, Interval: time.Second},
		Handle: handle,
	}, slices.Values(urls))
}

func TestExample(t *testing.T) {
	node, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	require.NoError(t, err)
	node.Start()
	defer node.Shutdown()
	require.True(t, node.ReadyForConnections(10*time.Second))
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "id: 1\ndata: %s\n\n", r.URL.Path)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer feed.Close()
	defer feed.CloseClientConnections()

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	handled := make(chan string, 2)
	done := errors.New("done")
	ctx, stop := context.WithCancelCause(ctx)
	err = consume(ctx, node.ClientURL(), []string{feed.URL + "/a", feed.URL + "/b"}, func(_ context.Context, stream string, ev sse.Event) error {
		handled <- ev.Data
		if len(handled) == 2 {
			stop(done)
		}
		return nil
	})
	require.Equal(t, done, err)
	require.ElementsMatch(t, []string{"/a", "/b"}, []string{<-handled, <-handled})
}
