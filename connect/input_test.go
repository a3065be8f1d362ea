package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMessages(t *testing.T) {
	f := newFeed(t, 3)
	f.last = 3
	f.format = func(n int) string {
		return []string{"", "data: no type\ndata: two lines\n\n", "event: tick\nid: 2\ndata: {}\n\n", "id: 3\ndata\n\n"}[n]
	}
	url := strings.Replace(f.URL, "http://", "http://user:secret@", 1) + "/x?topic=a"
	p := start(t, fmt.Sprintf("sse: { url: %q }", url), "", nil)
	p.wait() // for the end: 204
	public := f.URL + "/x?topic=a"
	require.Equal(t, []received{
		{"no type\ntwo lines", map[string]string{"sse_type": "message", "sse_url": public, "sse_retry": "20"}},
		{"{}", map[string]string{"sse_type": "tick", "sse_id": "2", "sse_url": public, "sse_retry": "20"}},
		{"", map[string]string{"sse_type": "message", "sse_id": "3", "sse_url": public, "sse_retry": "20"}},
	}, p.all())
	require.NotContains(t, p.log.String(), "secret")
	require.True(t, p.log.has("level=INFO", "has ended", f.URL+"/x"))
}

func TestResume(t *testing.T) {
	f := newFeed(t, 10)
	resources := fileCache(t.TempDir())
	input := fmt.Sprintf("sse: { url: %q, last_event_id: \"4\", position: { cache: positions } }", f.URL)
	p := start(t, input, resources, nil)
	p.await(6)
	p.stop()
	require.Equal(t, events(5, 10), p.data())

	f.publish(15)
	p = start(t, input, resources, nil)
	p.await(5)
	p.stop()
	require.Equal(t, events(11, 15), p.data(), "after a graceful stop nothing is repeated")
	require.Equal(t, []string{"4", "10"}, f.requests("/"))
}

// TestReconnect: connections that are cut are opened again by the client, are logged, and
// are not seen in the messages.
func TestReconnect(t *testing.T) {
	f := newFeed(t, 5)
	p := start(t, fmt.Sprintf("sse: { url: %q }", f.URL), "", nil)
	for n := 5; n <= 20; n += 5 {
		f.publish(n)
		p.await(n)
		f.CloseClientConnections()
	}
	f.publish(25)
	p.await(25)
	p.awaitLog("level=WARN", f.URL, "lost its connection")
	eventually(t, func() bool { return counts.get("sse_open", f.URL) == 1 }, p.log)
	p.stop()
	require.Equal(t, events(1, 25), p.data())
	require.GreaterOrEqual(t, counts.get("sse_disconnects", f.URL), int64(4))
	require.Zero(t, counts.get("sse_open", f.URL))
	require.Zero(t, counts.get("sse_failures", f.URL))
}

// TestNacks: a rejected message comes again, and the position waits for it.
func TestNacks(t *testing.T) {
	f := newFeed(t, 10)
	dir := t.TempDir()
	input := fmt.Sprintf("sse: { url: %q, position: { cache: positions, key: k } }", f.URL)
	var accept atomic.Bool
	p := start(t, input, fileCache(dir), func(data string) error {
		if data == "event 3" && !accept.Load() {
			return errRejected
		}
		return nil
	})
	p.await(9)
	eventually(t, func() bool { return storedID(t, dir, "k") == "2" }, p.log)
	p.stop()
	require.Equal(t, "2", storedID(t, dir, "k"), "an event after a rejected one was committed")

	accept.Store(true)
	p = start(t, input, fileCache(dir), func() func(string) error {
		var once sync.Once
		return func(data string) (err error) {
			if data == "event 5" {
				once.Do(func() { err = errRejected })
			}
			return err
		}
	}())
	p.await(8)
	p.stop()
	require.ElementsMatch(t, events(3, 10), p.data())
	require.Equal(t, "10", storedID(t, dir, "k"))
	require.Equal(t, []string{"", "2"}, f.requests("/"))
}

// TestDropped: with auto_replay_nacks false a rejected message is gone, as with other inputs.
func TestDropped(t *testing.T) {
	f := newFeed(t, 5)
	dir := t.TempDir()
	p := start(t, fmt.Sprintf("sse: { url: %q, auto_replay_nacks: false, position: { cache: positions, key: k } }", f.URL),
		fileCache(dir), func(data string) error {
			if data == "event 3" {
				return errRejected
			}
			return nil
		})
	p.await(4)
	p.stop()
	require.Equal(t, []string{"event 1", "event 2", "event 4", "event 5"}, p.data())
	require.Equal(t, "5", storedID(t, dir, "k"))
	require.Equal(t, int64(1), counts.get("sse_dropped", f.URL))
}

// TestHardStop: what is under way when a pipeline stops the hard way is not handled, with
// auto_replay_nacks false or not.
func TestHardStop(t *testing.T) {
	for _, replay := range []bool{true, false} {
		t.Run(fmt.Sprint(replay), func(t *testing.T) {
			f := newFeed(t, 5)
			stuck := make(chan struct{})
			srv := newServer(t, func(http.ResponseWriter, *http.Request) { <-stuck })
			t.Cleanup(func() { close(stuck) })
			dir := t.TempDir()
			p := startWith(t, fmt.Sprintf(`
input: { sse: { url: %q, auto_replay_nacks: %t, position: { cache: positions, key: k } } }
output: { http_client: { url: %q, timeout: 1h, max_in_flight: 2 } }
%s`, f.URL, replay, srv.URL, fileCache(dir)))
			p.awaitLog("is open")
			time.Sleep(100 * time.Millisecond) // for messages to get to the output
			_ = p.stream.StopWithin(2 * time.Second)
			require.Empty(t, storedID(t, dir, "k"))
		})
	}
}

// TestInterrupted: a message whose processing was cut short is not dropped, although
// auto_replay_nacks is false.
func TestInterrupted(t *testing.T) {
	f := newFeed(t, 1)
	in := newTestInput(t, fmt.Sprintf("url: %q\nauto_replay_nacks: false", f.URL))
	require.NoError(t, in.Connect(t.Context()))
	for _, err := range []error{fmt.Errorf("output: %w", context.Canceled), errors.New("type was closed"), errRejected} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, ack, readErr := in.Read(ctx)
		cancel()
		require.NoError(t, readErr)
		require.NoError(t, ack(t.Context(), err))
		require.NoError(t, ack(t.Context(), err), "a second call has no effect")
	}
	in.readNothing() // the last rejection dropped it
}

// TestBackPressure: an output that accepts nothing stops the reading of the stream.
func TestBackPressure(t *testing.T) {
	f := newFeed(t, 1<<20)
	var sent atomic.Int64
	pad := strings.Repeat("x", 64<<10)
	f.format = func(n int) string {
		sent.Store(int64(n))
		return fmt.Sprintf("id: %d\ndata: %s\n\n", n, pad)
	}
	in := newTestInput(t, fmt.Sprintf("url: %q\ncheckpoint_limit: 10", f.URL))
	require.NoError(t, in.Connect(t.Context()))
	var acks []func()
	for range 10 {
		_, ack := in.read()
		acks = append(acks, ack)
	}
	in.readNothing()
	before := sent.Load()
	require.Less(t, before, int64(1000), "what the server could send is more than the buffers of TCP hold")

	acks[1]()
	in.readNothing() // the first one is not acknowledged
	acks[0]()
	for range 2 {
		in.read()
	}
	in.readNothing()
}

func TestManyURLs(t *testing.T) {
	const streams = 20
	f := newFeed(t, 10)
	f.format = func(n int) string { return fmt.Sprintf("id: %d\ndata: event %d\n\n", n, n) }
	gone := newServer(t, func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	var urls []string
	for i := range streams {
		urls = append(urls, fmt.Sprintf("%s/?topic=%d", f.URL, i))
	}
	list := `"` + strings.Join(append(urls, gone.URL), `", "`) + `"`
	input := "sse: { urls: [ " + list + " ], reconnect: { on_error: transient }, position: { cache: positions } }"
	dir := t.TempDir()

	p := start(t, input, fileCache(dir), nil)
	p.await(streams * 10)
	p.awaitLog("level=ERROR", gone.URL, "has ended with an error", "404 Not Found")
	p.stop()
	require.Len(t, p.all(), streams*10)
	require.Equal(t, int64(1), counts.get("sse_failures", gone.URL))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2*streams)

	f.publish(12)
	f.endAt(12)
	p = start(t, input, fileCache(dir), nil)
	p.wait() // all streams end
	byURL := map[string][]string{}
	for _, r := range p.all() {
		byURL[r.meta["sse_url"]] = append(byURL[r.meta["sse_url"]], r.data)
	}
	require.Len(t, byURL, streams)
	for i, url := range urls {
		require.Equal(t, events(11, 12), byURL[url])
		require.Equal(t, []string{"", "10", "12"}, f.requests(fmt.Sprintf("/?topic=%d", i)))
	}
}

// TestTypes: events of other types are not delivered, and move the position.
func TestTypes(t *testing.T) {
	f := newFeed(t, 100)
	f.format = func(n int) string {
		typ := "noise"
		if n%25 == 10 {
			typ = "signal"
		}
		return fmt.Sprintf("event: %s\nid: %d\ndata: event %d\n\n", typ, n, n)
	}
	dir := t.TempDir()
	p := start(t, fmt.Sprintf("sse: { url: %q, types: [ signal ], checkpoint_limit: 1, position: { cache: positions, key: k } }", f.URL),
		fileCache(dir), nil)
	p.await(4)
	eventually(t, func() bool { return storedID(t, dir, "k") == "100" }, p.log)
	p.stop()
	require.Equal(t, []string{"event 10", "event 35", "event 60", "event 85"}, p.data())
}
