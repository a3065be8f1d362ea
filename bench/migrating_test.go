package bench

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	donovanhide "github.com/donovanhide/eventsource"
	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// The code of docs/migrating.md: what a program has with another client, and its new form.
// Each block below stands there, and is run.

// handle is what the programs do with an event.
var handle func(id, typ, data string)

// r3labs/sse
func beforeR3labs(ctx context.Context, url string) error {
	client := r3labs.NewClient(url)
	client.Headers["Authorization"] = "Bearer token"
	client.ReconnectNotify = func(err error, wait time.Duration) { log.Println(err, wait) }
	return client.SubscribeRawWithContext(ctx, func(msg *r3labs.Event) {
		handle(string(msg.ID), string(msg.Event), string(msg.Data))
	})
}

func afterR3labs(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer token")
	client := sse.Client{Trace: &sse.Trace{
		Disconnect: func(info sse.DisconnectInfo) { log.Println(info.Err, info.Delay) },
	}}
	for ev, err := range client.Events(req) {
		if err != nil {
			return err
		}
		handle(ev.LastEventID, ev.Type, ev.Data)
	}
	return nil
}

// tmaxmax/go-sse
func beforeGoSSE(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	conn := gosse.NewConnection(req)
	conn.SubscribeEvent("change", func(ev gosse.Event) { handle(ev.LastEventID, ev.Type, ev.Data) })
	return conn.Connect()
}

func afterGoSSE(ctx context.Context, url string) error {
	for ev, err := range sse.Get(ctx, url) {
		if err != nil {
			return err
		}
		if ev.Type == "change" {
			handle(ev.LastEventID, ev.Type, ev.Data)
		}
	}
	return nil
}

// launchdarkly/eventsource
func beforeLaunchDarkly(ctx context.Context, url string) error {
	stream, err := launchdarkly.SubscribeWithURL(url,
		launchdarkly.StreamOptionLastEventID("0"),
		launchdarkly.StreamOptionReadTimeout(5*time.Minute),
		launchdarkly.StreamOptionCanRetryFirstConnection(-1),
		launchdarkly.StreamOptionUseBackoff(30*time.Second),
		launchdarkly.StreamOptionUseJitter(0.5))
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		select {
		case ev := <-stream.Events:
			handle(ev.Id(), ev.Event(), ev.Data())
		case err := <-stream.Errors:
			log.Println(err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func afterLaunchDarkly(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Last-Event-ID", "0")
	client := sse.Client{IdleTimeout: 5 * time.Minute, Reconnect: sse.Transient}
	for ev, err := range client.Events(req) {
		if err != nil {
			return err
		}
		handle(ev.LastEventID, ev.Type, ev.Data)
	}
	return nil
}

// donovanhide/eventsource
func beforeDonovanhide(ctx context.Context, url string) error {
	stream, err := donovanhide.Subscribe(url, "0")
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		select {
		case ev := <-stream.Events:
			handle(ev.Id(), ev.Event(), ev.Data())
		case err := <-stream.Errors:
			log.Println(err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func afterDonovanhide(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Last-Event-ID", "0")
	for ev, err := range new(sse.Client).Events(req) {
		if err != nil {
			return err
		}
		handle(ev.LastEventID, ev.Type, ev.Data)
	}
	return nil
}

// TestMigrating: the old and the new form handle the same events of the same server.
func TestMigrating(t *testing.T) {
	for _, program := range []struct {
		name string
		run  func(ctx context.Context, url string) error
	}{
		{"r3labs/sse, before", beforeR3labs}, {"r3labs/sse, after", afterR3labs},
		{"go-sse, before", beforeGoSSE}, {"go-sse, after", afterGoSSE},
		{"launchdarkly, before", beforeLaunchDarkly}, {"launchdarkly, after", afterLaunchDarkly},
		{"donovanhide, before", beforeDonovanhide}, {"donovanhide, after", afterDonovanhide},
	} {
		t.Run(program.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for n := 1; n <= 3; n++ {
					fmt.Fprintf(w, "id: %d\nevent: change\ndata: %d\n\n", n, n*n)
				}
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}))
			defer srv.Close()
			defer srv.CloseClientConnections()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var got []string
			handle = func(id, typ, data string) {
				got = append(got, strings.Join([]string{id, typ, data}, " "))
				if len(got) == 3 {
					cancel()
				}
			}
			err := program.run(ctx, srv.URL)
			if strings.HasSuffix(program.name, "after") {
				require.ErrorIs(t, err, context.Canceled)
			}
			require.Equal(t, []string{"1 change 1", "2 change 4", "3 change 9"}, slices.Clone(got))
		})
	}
}
