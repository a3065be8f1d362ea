package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// hook is a webhook. It takes what answer lets it.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request, event record)
	posts  []post
}

type post struct {
	event  record
	key    string
	header http.Header
	at     time.Time
}

func newHook(t testing.TB, answer func(w http.ResponseWriter, r *http.Request, event record)) *hook {
	h := &hook{answer: answer}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var event record
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &event) != nil {
			t.Errorf("%s: %s %q", r.Method, r.Header, body)
		}
		h.mu.Lock()
		h.posts = append(h.posts, post{event, r.Header.Get("Idempotency-Key"), r.Header, time.Now()})
		answer := h.answer
		h.mu.Unlock()
		if answer != nil {
			answer(w, r, event)
		}
	}))
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

func (h *hook) all() []post {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.posts)
}

func (h *hook) setAnswer(answer func(w http.ResponseWriter, r *http.Request, event record)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

// TestWebhook: each event is posted until the webhook acknowledges it, in order, under the
// same key each time, and not before Retry-After.
func TestWebhook(t *testing.T) {
	var tries sync.Map // by ID
	h := newHook(t, func(w http.ResponseWriter, r *http.Request, event record) {
		counter, _ := tries.LoadOrStore(event.ID, new(atomic.Int64))
		n := counter.(*atomic.Int64).Add(1)
		switch {
		case event.ID == "1" && n == 1:
			panic(http.ErrAbortHandler) // the connection breaks
		case event.ID == "2" && n == 1:
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case event.ID == "2" && n == 2:
			w.WriteHeader(http.StatusUnauthorized)
		case event.ID == "3" && n == 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case event.ID == "4" && n == 1:
			time.Sleep(time.Second) // longer than the timeout
		case event.ID == "5":
			w.WriteHeader(http.StatusAccepted)
		}
	})
	feed := newFeed(t)
	feed.publish(6)
	_, nats := startNATS(t, server.Options{})
	config := t.TempDir() + "/c.yml"
	writeFile(t, config, "streams: [{url: "+feed.URL+"/a, name: a}]\noutput: {webhook: '"+h.URL+"/in', timeout: 500ms, headers: {X-Tenant: acme}}\n")
	p := start(t, "-nats", nats, config)
	eventually(t, "all events", func() bool { all := h.all(); return len(all) > 0 && all[len(all)-1].event.ID == "6" })
	require.Empty(t, p.stop(), "nothing is on standard output")
	var ids []string
	keys := make(map[string]string)
	for i, post := range h.all() {
		ids = append(ids, post.event.ID)
		require.Equal(t, "a", post.event.Stream)
		require.Equal(t, "acme", post.header.Get("X-Tenant"))
		require.NotEmpty(t, post.key)
		if before := keys[post.event.ID]; before != "" {
			require.Equal(t, before, post.key)
		}
		if i > 0 && post.event.ID == "3" && ids[i-1] == "3" {
			require.GreaterOrEqual(t, post.at.Sub(h.all()[i-1].at), time.Second)
		}
		keys[post.event.ID] = post.key
	}
	require.Equal(t, []string{"1", "1", "2", "2", "2", "3", "3", "4", "4", "5", "6"}, ids)
	require.Len(t, keys, 6)
	seen := make(map[string]bool)
	for _, key := range keys {
		require.False(t, seen[key], "each event has a key of its own")
		seen[key] = true
	}
	require.Contains(t, p.stderr.String(), `msg="the output fails" err="webhook: EOF"`)
}

// TestWebhookAway: an event that the webhook has not acknowledged is not committed, whether
// the member is stopped or killed, and one that it has is not sent again after a stop.
func TestWebhookAway(t *testing.T) {
	h := newHook(t, func(w http.ResponseWriter, _ *http.Request, event record) {
		if event.ID != "1" {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	feed := newFeed(t)
	feed.publish(3)
	_, nats := startNATS(t, server.Options{})
	args := []string{"-nats", nats, "-ttl", "1s", "-output", h.URL, feed.list(t, "/a")}
	posted := func(id string) func() bool {
		n := len(h.all())
		return func() bool {
			return slices.ContainsFunc(h.all()[n:], func(p post) bool { return p.event.ID == id })
		}
	}
	for _, end := range []func(*process){(*process).kill, func(p *process) { p.stop() }, (*process).kill} {
		second := posted("2")
		p := start(t, args...)
		eventually(t, "the second event", second)
		end(p)
	}
	h.setAnswer(nil)
	n := len(h.all())
	p := start(t, args...)
	eventually(t, "the third event", posted("3"))
	p.stop()
	var ids []string
	for _, post := range h.all()[n:] {
		ids = append(ids, post.event.ID)
	}
	require.Equal(t, []string{"2", "3"}, ids)
}

// TestKilled: members are killed at any moment. Each event reaches the webhook, and repeats
// are at most one for each kill and stream, since each event is committed.
func TestKilled(t *testing.T) {
	const streams, kills, each = 5, 8, 10
	h := newHook(t, nil)
	feed := newFeed(t)
	_, nats := startNATS(t, server.Options{})
	args := []string{"-nats", nats, "-ttl", "500ms", "-output", h.URL, feed.list(t, "/0", "/1", "/2", "/3", "/4")}
	p := start(t, args...)
	for range kills {
		n := len(h.all())
		feed.publish(each)
		eventually(t, "some events", func() bool { return len(h.all()) > n+streams })
		p.kill()
		p = start(t, args...)
	}
	counts := func() (last map[string]int, repeats int) {
		last = make(map[string]int)
		for _, post := range h.all() {
			id, err := strconv.Atoi(post.event.ID)
			require.NoError(t, err)
			switch was := last[post.event.Stream]; {
			case id <= was:
				repeats++
			case id > was+1:
				require.Fail(t, "an event is missing", "%d after %d", id, was)
			default:
				last[post.event.Stream] = id
			}
		}
		return last, repeats
	}
	eventually(t, "all events", func() bool {
		last, _ := counts()
		done := len(last) == streams
		for _, id := range last {
			done = done && id == kills*each
		}
		return done
	})
	p.stop()
	_, repeats := counts()
	require.LessOrEqual(t, repeats, kills*streams)
}

// TestRetryAfter: in seconds, as a date by the server's clock, and within an hour.
func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		after, date string
		want        time.Duration
	}{
		{"", "", 0}, {"soon", "", 0}, {"-1", "", 0}, {"0", "", 0}, {" 7 ", "", 7 * time.Second},
		{"3600", "", time.Hour}, {"3601", "", time.Hour}, {"9223372036854775807", "", time.Hour}, {strings.Repeat("9", 30), "", 0},
		{"Fri, 27 Nov 2026 10:00:30 GMT", "Fri, 27 Nov 2026 10:00:00 GMT", 30 * time.Second},
		{"Fri, 27 Nov 2026 09:00:30 GMT", "Fri, 27 Nov 2026 10:00:00 GMT", 0},
		{"Fri, 27 Nov 2099 10:00:30 GMT", "", time.Hour},
	} {
		require.Equal(t, test.want, retryAfter(http.Header{"Retry-After": {test.after}, "Date": {test.date}}), test.after)
	}
}
