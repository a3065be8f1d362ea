package recording_test

import (
	"context"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
	"github.com/lastevent/sse/internal/recording"
)

// serve serves a handler in a bubble's network until the test ends.
func serve(t *testing.T, h http.Handler, http2 bool) (*http.Client, *memnet.Listener) {
	l := memnet.Listen()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	srv := &http.Server{Handler: h, Protocols: protocols}
	go srv.Serve(l)
	tr := &http.Transport{DialContext: l.DialContext, Protocols: protocols}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		srv.Close()
	})
	return &http.Client{Transport: tr}, l
}

// ask makes a request with a Last-Event-ID.
func ask(t *testing.T, client *http.Client, target, id string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sse.test"+target, nil)
	require.NoError(t, err)
	if id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	return resp
}

// events reads a body and shows its events' data, and how it ended.
func events(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	var got []string
	for ev, err := range sse.Read(resp.Body) {
		if err != nil {
			got = append(got, err.Error())
			break
		}
		got = append(got, ev.Data)
	}
	return strings.Join(got, " ")
}

const twoConnections = `sse-recording 1
0s   connect GET /feed
1s   status 200 chunked
1s   header Content-Type text/event-stream
2s   bytes "id:1\ndata:a\n\nid:2\r\nda"
4s   bytes "ta:b\r\n\r\n"
7s   bytes "id:3\ndata:c\n\ndata: cu"
9s   drop
10s  connect GET /feed
10s  header Last-Event-ID 3
11s  status 200 chunked
11s  header Content-Type text/event-stream
12s  bytes "id:4\ndata:d\n\nid:5\ndata:e\n\n"
13s  end
`

// TestPlayer: which connection is played, from where, and when.
func TestPlayer(t *testing.T) {
	for _, test := range []struct {
		name string
		set  func(*recording.Player)
		ids  []string // of the requests
		want []string
		last []time.Duration // that each answer takes
	}{
		{"in order", nil, []string{"", "", ""}, []string{"a b c unexpected EOF", "d e", ""}, []time.Duration{9e9, 3e9, 0}},
		{"as recorded", nil, []string{"", "3", "5"}, []string{"a b c unexpected EOF", "d e", ""}, []time.Duration{9e9, 3e9, 0}},
		{"the second one first", nil, []string{"3", ""}, []string{"d e", "a b c unexpected EOF"}, []time.Duration{3e9, 9e9}},
		{"after the first event", nil, []string{"1"}, []string{"b c unexpected EOF"}, []time.Duration{7e9}},
		{"after the second event", nil, []string{"2", "3"}, []string{"c unexpected EOF", "d e"}, []time.Duration{5e9, 3e9}},
		{"after the fourth event", nil, []string{"4", "4"}, []string{"e", "e"}, []time.Duration{1e9, 0}},
		{"after the fourth event, again", func(p *recording.Player) { p.Again = true }, []string{"4", "4"}, []string{"e", "e"}, []time.Duration{1e9, 1e9}},
		{"after the fourth event, as fast as can be", func(p *recording.Player) { p.Speed = math.Inf(1) }, []string{"4", "4"}, []string{"e", "e"}, []time.Duration{0, 0}},
		{"after the last event", nil, []string{"3", "5"}, []string{"d e", ""}, []time.Duration{3e9, 0}},
		{"unknown", nil, []string{"x", "x", "x"}, []string{"a b c unexpected EOF", "d e", ""}, []time.Duration{9e9, 3e9, 0}},
		{"ten times as fast", func(p *recording.Player) { p.Speed = 10 }, []string{"", "4"}, []string{"a b c unexpected EOF", "e"}, []time.Duration{9e8, 1e8}},
		{"at once", func(p *recording.Player) { p.Speed = math.Inf(1) }, []string{"", "3"}, []string{"a b c unexpected EOF", "d e"}, []time.Duration{0, 0}},
		{"looped, from an event", func(p *recording.Player) { p.Loop = true }, []string{"4", "", "5", "4"}, []string{"e", "a b c unexpected EOF", "a b c unexpected EOF", "e"}, []time.Duration{1e9, 9e9, 9e9, 1e9}},
		{"looped", func(p *recording.Player) { p.Loop = true }, []string{"", "3", "5", "3"}, []string{"a b c unexpected EOF", "d e", "a b c unexpected EOF", "d e"}, []time.Duration{9e9, 3e9, 9e9, 3e9}},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(test.name+map[bool]string{false: "", true: ", HTTP/2"}[http2], func(t *testing.T) {
				if http2 {
					skipHTTP2(t)
				}
				synctest.Test(t, func(t *testing.T) {
					p := recording.NewPlayer(read(t, twoConnections))
					if test.set != nil {
						test.set(p)
					}
					client, _ := serve(t, p, http2)
					for i, id := range test.ids {
						begun := time.Now()
						resp := ask(t, client, "/feed", id)
						require.Equal(t, test.want[i] == "", resp.StatusCode == http.StatusNoContent)
						want := test.want[i]
						if http2 {
							want = strings.ReplaceAll(want, "unexpected EOF", "stream error: stream ID "+streamID(i)+"; INTERNAL_ERROR; received from peer")
						}
						require.Equal(t, want, events(t, resp))
						require.Equal(t, test.last[i], time.Since(begun))
					}
				})
			})
		}
	}
}

func streamID(request int) string { return string(rune('1' + 2*request)) }

// TestPlayerContinues: what a client gets that continues after an event, to the byte.
func TestPlayerContinues(t *testing.T) {
	const events = `"id:1\r\ndata:a\r\n\r\nid:2\rdata:b\r\rid:3\n\nda" "ta:c\n\n"`
	chunks := "0s bytes " + strings.ReplaceAll(events, `" "`, "\"\n0s bytes \"") + "\n"
	for _, test := range []struct {
		header string // of the recording
		length int64
	}{
		{"0s status 200 length\n0s header Content-Length 44\n", 44}, // one byte more than there are, since it is cut
		{"0s status 200 length\n", 43},
		{"0s status 200 chunked\n", -1},
		{"0s status 200 close\n", -1},
		{"", -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := recording.NewPlayer(read(t, "sse-recording 1\n0s connect\n"+test.header+chunks+"0s drop\n"))
			client, _ := serve(t, p, false)
			for _, id := range []string{"", "1", "2", "3"} {
				want := map[string]string{"": "id:1\r\ndata:a\r\n\r\nid:2\rdata:b\r\rid:3\n\ndata:c\n\n", "1": "id:2\rdata:b\r\rid:3\n\ndata:c\n\n", "2": "id:3\n\ndata:c\n\n", "3": "data:c\n\n"}
				resp := ask(t, client, "/", id)
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				require.Equal(t, want[id], string(body))
				if test.length < 0 {
					require.Error(t, err)
					require.Equal(t, int64(-1), resp.ContentLength)
				} else {
					require.Equal(t, test.length-int64(len(want[""])-len(want[id])), resp.ContentLength)
				}
			}
		})
	}
}

// TestPlayerPaths: two streams of one program do not mix.
func TestPlayerPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := serve(t, recording.NewPlayer(read(t, `sse-recording 1
0s connect GET /a?x=1
0s event message a1 id 1
0s end
0s connect GET /b
0s event message b1 id 1
0s end
0s connect POST /a
0s event message posted
0s end
0s connect GET /a
0s event message a2 id 2
0s end
`)), false)
		for _, test := range []struct{ target, id, want string }{
			{"/b", "", "b1"}, {"/a", "", "a1"}, {"/b?y", "1", ""}, {"/a", "1", "a2"}, {"/b", "", ""}, {"/c", "", "posted"}, {"/c", "", ""},
		} {
			require.Equal(t, test.want, events(t, ask(t, client, test.target, test.id)), "%v", test)
		}
	})
}

// TestPlayerAgain: a connection that its client left early is played again if Again is set.
func TestPlayerAgain(t *testing.T) {
	for _, test := range []struct {
		again bool
		after time.Duration // when the client leaves
		want  string        // what the next one sees
	}{
		{false, 3 * time.Second, "d e"},
		{true, 500 * time.Millisecond, "a b c unexpected EOF"},
		{true, 3 * time.Second, "a b c unexpected EOF"},
		{true, 8 * time.Second, "d e"}, // all has been sent
	} {
		synctest.Test(t, func(t *testing.T) {
			p := recording.NewPlayer(read(t, twoConnections))
			p.Again = test.again
			client, _ := serve(t, p, false)
			ctx, cancel := context.WithTimeout(t.Context(), test.after)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sse.test/feed", nil)
			require.NoError(t, err)
			if resp, err := client.Do(req); err == nil {
				_, err = io.ReadAll(resp.Body)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			synctest.Wait()
			require.Equal(t, test.want, events(t, ask(t, client, "/feed", "")))
		})
	}
}

// TestPlayerWaits: a connection without an end stays open until its client leaves.
func TestPlayerWaits(t *testing.T) {
	for _, last := range []string{"", "1h wait\n"} {
		synctest.Test(t, func(t *testing.T) {
			p := recording.NewPlayer(read(t, "sse-recording 1\n0s connect\n1s bytes \"id:1\\ndata:a\\n\\n\"\n"+last))
			client, _ := serve(t, p, false)
			p.Again = true
			for _, id := range []string{"", "1"} { // which waits, too
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://sse.test/", nil)
				req.Header.Set("Last-Event-ID", id)
				resp, err := client.Do(req)
				require.NoError(t, err)
				require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
				text, err := io.ReadAll(resp.Body)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, map[string]string{"": "id:1\ndata:a\n\n", "1": ""}[id], string(text))
			}
		})
		synctest.Test(t, func(t *testing.T) { // a client that does not wait for ever gets an end
			client, _ := serve(t, recording.NewPlayer(read(t, "sse-recording 1\n0s connect\n1s bytes \"id:1\\ndata:a\\n\\n\"\n"+last)), false)
			c := sse.Client{HTTPClient: client, IdleTimeout: time.Minute}
			n := 0
			for _, err := range c.Get(t.Context(), "http://sse.test/") {
				require.NoError(t, err)
				n++
			}
			require.Equal(t, 1, n)
		})
	}
}

// TestPlayerOfSilence: a client that waits less than the recorded one did gets everything.
func TestPlayerOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := recording.NewPlayer(read(t, "sse-recording 1\n0s connect\n0s event a 1 id 1\n10m event a 2 id 2\n11m event a 3 id 3\n12m end\n"))
		client, _ := serve(t, p, false)
		c := sse.Client{HTTPClient: client, IdleTimeout: time.Minute}
		start, got := time.Now(), ""
		for ev, err := range c.Get(t.Context(), "http://sse.test/") {
			require.NoError(t, err)
			got += ev.Data
			if ev.Data == "2" {
				require.InDelta(t, 10*time.Minute, time.Since(start), float64(2*time.Minute))
			}
		}
		require.Equal(t, "123", got)
	})
}

// playAtOnce plays all of a recording, from the beginnings of its connections and from all
// IDs, to a client that has left.
func playAtOnce(r *recording.Recording) {
	p := recording.NewPlayer(r)
	p.Speed = math.Inf(1)
	ask := func(id string) {
		ctx, cancel := context.WithCancel(context.Background())
		w := httptest.NewRecorder()
		time.AfterFunc(time.Millisecond, cancel) // for a connection that waits
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				panic(v)
			}
		}()
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		if id != "" {
			req.Header.Set("Last-Event-ID", id)
		}
		p.ServeHTTP(w, req)
	}
	for _, step := range r.Steps {
		if step.Kind == recording.Event {
			ask(step.ID)
		}
	}
	for range r.Connections() {
		ask("")
	}
}
