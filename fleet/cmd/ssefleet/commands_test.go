package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/fleet"
)

// TestStatus: what is wrong has a word, an error, and an exit code.
func TestStatus(t *testing.T) {
	feed := newFeed(t)
	feed.publish(1)
	_, nats := startNATS(t, server.Options{})
	list := t.TempDir() + "/list"
	away := "http://" + freePort(t) + "/away"
	writeFile(t, list, feed.URL+"/a\n")
	p := start(t, "-nats", nats, "-ttl", "2s", "-commit-events", "10", list)
	p.next()
	eventually(t, "all is well", func() bool {
		code, _, _ := outputOf(t, "status", "-nats", nats)
		return code == exitStopped
	})
	p.stop()
	code, out, _ := outputOf(t, "status", "-nats", nats)
	require.Equal(t, exitStopped, code, "without members no list says what should be read")
	require.Regexp(t, `(?m)/a +- +unlisted +1 `, out)

	writeFile(t, list, feed.URL+"/a\n"+away+"\n")
	p = start(t, "-nats", nats, "-ttl", "2s", list)
	eventually(t, "one is broken", func() bool {
		code, out, _ = outputOf(t, "status", "-nats", nats)
		return code == exitUnhealthy && regexp.MustCompile(`(?m)/away +`+`\S+`+` +broken .* connect: connection refused$`).MatchString(out)
	})
	code, out, _ = outputOf(t, "status", "-json", "-nats", nats)
	require.Equal(t, exitUnhealthy, code)
	var status fleet.Status
	require.NoError(t, json.Unmarshal([]byte(out), &status))
	require.Len(t, status.Streams, 2)
	require.Len(t, status.Members, 1)
	require.Equal(t, 1, status.Lists)
	p.kill()
	eventually(t, "nobody reads them", func() bool {
		code, out, _ = outputOf(t, "status", "-nats", nats, "-ttl", "2s")
		return code == exitUnhealthy && strings.Count(out, "  silent  ") == 2 && strings.Contains(out, "s ago  silent\n")
	})
}

// TestPosition: positions are read, set, exported and reset, while a member reads the stream.
func TestPosition(t *testing.T) {
	feed := newFeed(t)
	feed.publish(5)
	_, nats := startNATS(t, server.Options{})
	p := start(t, "-nats", nats, "-ttl", "2s", feed.list(t, "/a"))
	for id := range 5 {
		require.Equal(t, strconv.Itoa(id+1), p.next().ID)
	}
	position := func(code int, args ...string) (stdout, stderr string) {
		t.Helper()
		gotCode, stdout, stderr := outputOf(t, append([]string{"position", args[0], "-nats", nats}, args[1:]...)...)
		require.Equal(t, code, gotCode, stderr)
		return stdout, stderr
	}
	stream := feed.URL + "/a"
	at := func(id string) {
		t.Helper()
		eventually(t, "the position "+id, func() bool {
			out, _ := position(0, "get", stream)
			var got fleet.Position
			require.NoError(t, json.Unmarshal([]byte(out), &got))
			return got.Stream == stream && got.LastEventID == id && got.Committed && time.Since(got.Time) < time.Hour
		})
	}
	at("5")
	position(0, "set", stream, "3")
	require.Equal(t, "4", p.next().ID)
	require.Equal(t, "5", p.next().ID)
	at("5")
	position(0, "set", stream, "")
	for id := range 5 {
		require.Equal(t, strconv.Itoa(id+1), p.next().ID)
	}
	position(0, "reset", stream)
	for id := range 5 {
		require.Equal(t, strconv.Itoa(id+1), p.next().ID)
	}
	at("5")
	out, _ := position(0, "export")
	require.Regexp(t, `^{"stream":"`+stream+`","last_event_id":"5","committed":true,"time":"[^"]+"}\n$`, out)
	_, stderr := position(1, "get", "http://unknown/")
	require.Equal(t, "ssefleet: fleet: no member has ever read the stream\n", stderr)
	p.stop()
}

// TestReopenAndForget: a stream that has ended is read again; one that nobody wants is removed.
func TestReopenAndForget(t *testing.T) {
	var requests atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 1\ndata: x\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	stream := srv.URL + "/a"
	_, nats := startNATS(t, server.Options{})
	list := t.TempDir() + "/list"
	writeFile(t, list, stream+"\n")
	p := start(t, "-nats", nats, "-ttl", "2s", list)
	table := func(want string) {
		t.Helper()
		eventually(t, want, func() bool {
			_, out, _ := outputOf(t, "status", "-nats", nats)
			return regexp.MustCompile(want).MatchString(out)
		})
	}
	table(`(?m)/a +- +ended `)
	command := func(code int, args ...string) string {
		t.Helper()
		got, stdout, stderr := outputOf(t, args...)
		require.Equal(t, code, got, stderr)
		require.Empty(t, stdout)
		return stderr
	}
	require.Empty(t, command(0, "reopen", "-nats", nats, stream))
	require.Equal(t, "x", p.next().Data)
	require.NotEmpty(t, command(1, "reopen", "-nats", nats, stream), "it has not ended now")
	require.NotEmpty(t, command(1, "forget", "-nats", nats, stream), "it is in a list")
	require.NotEmpty(t, command(1, "forget", "-nats", nats, "http://unknown/"))
	table(`(?m)/a +\S+ +connected `)
	p.stop()
	require.Empty(t, command(0, "forget", "-nats", nats, stream))
	_, out, _ := outputOf(t, "status", "-nats", nats)
	require.NotContains(t, out, "/a ")
	p = start(t, "-nats", nats, list)
	require.Equal(t, "x", p.next().Data, "from the start")
	p.stop()
}
