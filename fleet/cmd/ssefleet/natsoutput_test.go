package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// TestNATSOutput: each event is in JetStream once, although members are killed before they
// have committed any, and are given the same events again.
func TestNATSOutput(t *testing.T) {
	_, nats := startNATS(t, server.Options{})
	js := newJetStream(t, nats)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>"}})
	require.NoError(t, err)
	feed := newFeed(t)
	feed.publish(10)
	config := t.TempDir() + "/c.yaml"
	writeFile(t, config, "streams:\n- {url: "+feed.URL+"/a, name: a}\n- {url: "+feed.URL+"/b, name: b, subject: events.of.b}\noutput: {nats: events.all}\n")
	args := []string{"-nats", nats, "-ttl", "500ms", "-commit-events", "1000000", "-http"}
	messages := func() uint64 {
		info, err := stream.Info(t.Context())
		require.NoError(t, err)
		return info.State.Msgs
	}
	for i := range 3 {
		if i > 0 {
			feed.publish(10)
		}
		address := freePort(t)
		p := start(t, append(args, address, config)...)
		eventually(t, "all events are published", func() bool {
			_, page := get(t, "http://"+address+"/metrics")
			return messages() == uint64(20*(i+1)) && strings.Contains(page, fmt.Sprintf("ssefleet_events_total %d\n", 20*(i+1)))
		})
		_, page := get(t, "http://"+address+"/metrics")
		require.Contains(t, page, fmt.Sprintf("ssefleet_output_duplicates_total %d\n", 20*i))
		p.kill()
	}
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	next := make(map[string]int)
	for range 60 {
		msg, err := consumer.Next()
		require.NoError(t, err)
		var event record
		require.NoError(t, json.Unmarshal(msg.Data(), &event))
		next[event.Stream]++
		require.Equal(t, fmt.Sprint(next[event.Stream]), event.ID, "in order")
		require.Equal(t, map[string]string{"a": "events.all", "b": "events.of.b"}[event.Stream], msg.Subject())
	}
}

// TestNATSOutputIDs: events that say nothing new about their position are never dropped: two of
// them may be the same and mean two things.
func TestNATSOutputIDs(t *testing.T) {
	_, nats := startNATS(t, server.Options{})
	js := newJetStream(t, nats)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events"}})
	require.NoError(t, err)
	requests := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Header.Get("Last-Event-ID")
		w.Header().Set("Content-Type", "text/event-stream")
		if r.Header.Get("Last-Event-ID") == "" && r.URL.Path == "/some" {
			fmt.Fprint(w, "id: 1\ndata: x\n\n")
		}
		fmt.Fprint(w, "data: x\n\ndata: x\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	for _, test := range []struct {
		path  string
		first uint64
	}{{"/none", 2}, {"/some", 3}} {
		require.NoError(t, stream.Purge(t.Context()))
		list := t.TempDir() + "/list"
		writeFile(t, list, srv.URL+test.path)
		want := test.first
		for range 3 {
			p := start(t, "-nats", nats, "-ttl", "500ms", "-output", "nats:events", list)
			eventually(t, "events", func() bool {
				info, err := stream.Info(t.Context())
				require.NoError(t, err)
				return info.State.Msgs >= want
			})
			<-requests
			time.Sleep(100 * time.Millisecond) // until they are committed
			p.kill()
			want += 2
		}
		info, err := stream.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, want-2, info.State.Msgs, test.path)
	}
}

// TestNATSOutputAway: a subject that nothing keeps is an error at the start; events wait
// while it is away later.
func TestNATSOutputAway(t *testing.T) {
	_, nats := startNATS(t, server.Options{})
	js := newJetStream(t, nats)
	feed := newFeed(t)
	feed.publish(1)
	args := []string{"-nats", nats, "-output", "nats:events", feed.list(t, "/a")}
	p := start(t, args...)
	require.Equal(t, exitBroken, p.end())
	require.Contains(t, p.stderr.String(), "ssefleet: subject events: no stream of JetStream keeps it: nats: API error: code=404 err_code=10059 description=stream not found\n")

	cfg := jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events"}, Storage: jetstream.MemoryStorage, Duplicates: 10 * time.Second}
	stream, err := js.CreateStream(t.Context(), cfg)
	require.NoError(t, err)
	count := func(stream jetstream.Stream, want uint64) func() bool {
		return func() bool {
			info, err := stream.Info(t.Context())
			require.NoError(t, err)
			return info.State.Msgs == want
		}
	}
	p = start(t, args...)
	eventually(t, "an event", count(stream, 1))
	p.logs(`msg="the stream of JetStream may keep events twice after a takeover" stream=EVENTS duplicate_window=10s ttl=15s`)
	p.logs(`msg="the stream of JetStream is in memory" stream=EVENTS`)
	require.NoError(t, js.DeleteStream(t.Context(), "EVENTS"))
	feed.publish(2)
	p.logs(`msg="the output fails" err="NATS: events: nats: no response from stream"`)
	stream, err = js.CreateStream(t.Context(), cfg)
	require.NoError(t, err)
	eventually(t, "the others", count(stream, 2))
	p.stop()
}
