package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/load"
)

// TestRefused: a status instead of a stream, and a header that does not come in time.
func TestRefused(t *testing.T) {
	t.Parallel()
	tr := minute(50)
	tr.OpenIn = 5 * time.Second
	tr.hub = &hub{faults: faults{refuse: func(client int) int {
		switch {
		case client%10 == 3:
			return http.StatusServiceUnavailable
		case client == 8:
			time.Sleep(10 * time.Second)
			return http.StatusOK
		}
		return 0
	}}}
	r, _ := tr.run(t)
	assert.Equal(t, load.Streams{Asked: 50, Opened: 44, Held: 44, Refused: 6}, r.Streams)
	assert.Equal(t, "the server: status 503 (5 streams)", r.Stopped)
	require.Len(t, r.Failures, 2)
	assert.Equal(t, load.Count{What: "status 503", N: 5, Example: "sse: GET http://site/events: 503 Service Unavailable: \"no\""}, r.Failures[0])
	assert.Equal(t, "no answer in time", r.Failures[1].What)
	blameless(t, r, "refused", "stopped")
}

// TestPolicies: whether a stream that was never open tries again is the caller's policy, and is bounded by OpenIn.
func TestPolicies(t *testing.T) {
	t.Parallel()
	tr := minute(10)
	tr.Ramp = 0
	tr.OpenIn = 20 * time.Second
	tr.Client.Reconnect = sse.Transient
	start := time.Time{}
	var mu sync.Mutex
	tr.hub = &hub{faults: faults{refuse: func(client int) int {
		mu.Lock()
		defer mu.Unlock()
		if start.IsZero() {
			start = time.Now()
		}
		if client < 5 || time.Since(start) < 5*time.Second {
			return http.StatusServiceUnavailable
		}
		return 0
	}}}
	r, _ := tr.run(t)
	assert.Equal(t, load.Streams{Asked: 10, Opened: 5, Held: 5, Refused: 5}, r.Streams)
	assert.GreaterOrEqual(t, r.Latency.Header.Min, 5*time.Second, "from when the stream was due")
}

// TestOver: streams that end for good, without an error and with one. When all are over, so is the run.
func TestOver(t *testing.T) {
	t.Parallel()
	tr := minute(10)
	tr.hub = &hub{faults: faults{
		refuse: func(client int) int {
			if client%2 == 0 {
				return http.StatusNoContent
			}
			return 0
		},
		end: func(client int, n int64) bool { return n > 100 },
		bye: http.StatusNotFound,
	}}
	r, _ := tr.run(t)
	assert.Equal(t, load.Streams{Asked: 10, Opened: 10, Done: 5, Lost: 5, Drops: 5}, r.Streams)
	assert.Less(t, r.Elapsed, 20*time.Second)
	require.Len(t, r.Failures, 1)
	assert.Equal(t, "status 404", r.Failures[0].What)
}

// TestSays: the first event is not the first one that says something.
func TestSays(t *testing.T) {
	t.Parallel()
	tr := minute(10)
	tr.Ramp = 0
	tr.hub = &hub{faults: faults{primes: true}}
	r, _ := tr.run(t)
	assert.Zero(t, r.Latency.FirstEvent.Max)
	within(t, float64(100*time.Millisecond), float64(r.Latency.FirstSays.P50), "first event that says something")

	tr.hub = &hub{faults: faults{primes: true}}
	tr.Says = func(ev sse.Event) bool { return ev.LastEventID == "10" }
	r, _ = tr.run(t)
	within(t, float64(time.Second), float64(r.Latency.FirstSays.P50), "by Says")
}

// TestPublish: Run publishes, through a server that takes 200 ms to pass an event on, and 50 ms to answer.
func TestPublish(t *testing.T) {
	t.Parallel()
	for _, asJSON := range []bool{false, true} {
		var r *load.Report
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			streams := make(map[chan string]bool)
			mux := http.NewServeMux()
			mux.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				time.AfterFunc(200*time.Millisecond, func() {
					mu.Lock()
					defer mu.Unlock()
					for c := range streams {
						c <- string(body)
					}
				})
				time.Sleep(50 * time.Millisecond)
				w.WriteHeader(http.StatusAccepted)
			})
			mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
				c := make(chan string, 100)
				mu.Lock()
				streams[c] = true
				mu.Unlock()
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					delete(streams, c)
				}()
				w.Header().Set("Content-Type", "text/event-stream")
				w.(http.Flusher).Flush()
				for {
					select {
					case text := <-c:
						if strings.Contains(text, "-7.") && r.Header.Get("Client") == "3" {
							continue // lost
						}
						fmt.Fprintf(w, "id: not-a-number\ndata: %s\n\n", text)
						w.(http.Flusher).Flush()
					case <-r.Context().Done():
						return
					}
				}
			})
			s := newSite(t, mux)
			cfg := load.Config{
				URLs: []string{siteURL}, Transport: s.transport(), Streams: 20, Duration: 10*time.Second + 100*time.Millisecond, Request: asClient,
				Publish: &load.Publish{URL: "http://site/publish", Interval: 500 * time.Millisecond, Client: &http.Client{Transport: s.transport()}},
			}
			if asJSON {
				cfg.Publish.Request = func(n int64, token string) (*http.Request, error) {
					body, err := json.Marshal(map[string]any{"n": n, "text": "it is " + token + " of many"})
					require.NoError(t, err)
					return http.NewRequest(http.MethodPost, "http://site/publish", bytes.NewReader(body))
				}
			}
			var err error
			r, err = load.Run(t.Context(), cfg)
			require.NoError(t, err)
		})
		require.NotNil(t, r.Publish)
		assert.EqualValues(t, 21, r.Publish.Sent) // at 0, 0.5, … 10 s
		assert.Zero(t, r.Publish.Failed)
		assert.Equal(t, 50*time.Millisecond, r.Publish.Took.Min.Round(time.Millisecond))
		within(t, float64(200*time.Millisecond), float64(r.Latency.Event.P50), "latency")
		assert.EqualValues(t, 20*20-1, r.Traffic.Events)
		assert.EqualValues(t, 1, r.Sequence.Missing)
		assert.EqualValues(t, 1, r.Sequence.Streams)
		assert.Zero(t, r.Latency.Skew.Max)
	}
}

// TestPublishRefused: a server that takes no events.
func TestPublishRefused(t *testing.T) {
	t.Parallel()
	var r *load.Report
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, http.NotFoundHandler())
		var err error
		r, err = load.Run(t.Context(), load.Config{
			URLs: []string{siteURL}, Transport: s.transport(), Streams: 1, Duration: 10 * time.Second, OpenIn: time.Minute,
			Client:  sse.Client{Reconnect: func(error) bool { return true }},
			Publish: &load.Publish{URL: "http://site/publish", Client: &http.Client{Transport: s.transport()}},
		})
		require.NoError(t, err)
	})
	assert.Zero(t, r.Publish.Sent)
	assert.EqualValues(t, 10, r.Publish.Failed)
	require.Len(t, r.Publish.Failures, 1)
	assert.Equal(t, "status 404", r.Publish.Failures[0].What)
}

// TestPost: bodies and headers per stream; an answer that is complete is the end of its stream.
func TestPost(t *testing.T) {
	t.Parallel()
	var r *load.Report
	var mu sync.Mutex
	asked := make(map[string]bool)
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			asked[r.Header.Get("Authorization")+" "+string(body)] = true
			mu.Unlock()
			w.Header().Set("Content-Type", "text/event-stream")
			for n := range 10 {
				fmt.Fprintf(w, "data: {\"n\":%d}\n\n", n)
			}
		}))
		var err error
		r, err = load.Run(t.Context(), load.Config{
			URLs: []string{siteURL}, Transport: s.transport(), Streams: 5, Duration: time.Hour,
			Request: func(i int, url string) (*http.Request, error) {
				req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("prompt "+strconv.Itoa(i)))
				if err == nil {
					req.Header.Set("Authorization", "Bearer "+strconv.Itoa(i))
				}
				return req, err
			},
			Sequence: func(ev sse.Event) (int64, bool) {
				var data struct{ N int64 }
				return data.N, ev.Unmarshal(&data) == nil
			},
		})
		require.NoError(t, err)
	})
	assert.Equal(t, load.Streams{Asked: 5, Opened: 5, Done: 5}, r.Streams)
	assert.Empty(t, r.Storms)
	assert.EqualValues(t, 50, r.Sequence.Numbered)
	assert.Zero(t, r.Sequence.Streams)
	assert.Len(t, asked, 5)
	assert.True(t, asked["Bearer 3 prompt 3"])
}

// TestTopics: numbers are those of a topic. Streams of different topics are not compared.
func TestTopics(t *testing.T) {
	t.Parallel()
	// Of the topic of odd clients, each event is sent ten seconds later. In one topic, that would be skew.
	late := faults{delay: func(client int, _ int64) time.Duration { return time.Duration(client%2) * 15 * time.Second }}
	tr := minute(20)
	tr.Ramp = 0
	tr.Time = nil
	tr.Topic = func(i int, _ string) string { return strconv.Itoa(i % 2) }
	tr.hub = &hub{faults: late}
	r, _ := tr.run(t)
	assert.Positive(t, r.Latency.Skew.Count)
	blameless(t, r)

	tr.Topic = nil
	tr.hub = &hub{faults: late}
	r, _ = tr.run(t)
	within(t, float64(15*time.Second), float64(r.Latency.Skew.P50), "skew in one topic")
	assert.Equal(t, 10, r.Sequence.Stalled)
}

// TestNotNumbers: IDs that are times are no numbers of events.
func TestNotNumbers(t *testing.T) {
	t.Parallel()
	tr := minute(10)
	tr.hub = &hub{faults: faults{timeIDs: true}}
	r, _ := tr.run(t)
	assert.Contains(t, r.Sequence.Note, "did not count up by one")
	assert.Positive(t, r.Latency.Skew.Count, "they still identify the events")
	blameless(t, r, "note", "examples")
}

// TestSlow: one stream in ten reads slowly. The others see nothing of it, and the report does not blame the server.
func TestSlow(t *testing.T) {
	t.Parallel()
	tr := minute(20)
	tr.Slow = load.Slow{Fraction: 0.1, BytesPerSecond: 100}
	tr.hub = &hub{faults: faults{padding: 1000}}
	r, h := tr.run(t)
	assert.Equal(t, 2, r.Streams.Slow)
	events := float64(18 * h.published())
	assert.InDelta(t, events, r.Traffic.Events, events/8) // the ramp, and what the slow ones read
	assert.Less(t, r.Traffic.Bytes, int64(18*600*1100+2*60*100+50_000))
	blameless(t, r)
}

// TestProgress: snapshots come every second, and one at the end.
func TestProgress(t *testing.T) {
	t.Parallel()
	var all []load.Snapshot
	tr := minute(50)
	tr.Progress = func(s load.Snapshot) { all = append(all, s) }
	r, _ := tr.run(t)
	require.GreaterOrEqual(t, len(all), 60)
	events := int64(0)
	for i, s := range all[:len(all)-1] {
		assert.Equal(t, time.Duration(i)*time.Second, s.At)
		assert.Equal(t, 50, s.Asked)
		assert.LessOrEqual(t, s.Open, s.Due)
		assert.False(t, s.Done)
		events += s.Events
	}
	last := all[len(all)-1]
	assert.True(t, last.Done)
	assert.Equal(t, 50, last.Open)
	assert.Equal(t, 50, last.Opened)
	assert.Equal(t, r.Elapsed, last.Elapsed)
	assert.InDelta(t, r.Traffic.Events, events, 600)
	assert.Equal(t, 30, all[2].Due)
	assert.InDelta(t, 30, all[2].Open, 1)
}

// TestConfig: what is wrong with a Config is said before anything is sent, and without a URL's password.
func TestConfig(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]load.Config{
		"URLs is empty":  {Streams: 1},
		"at least 1":     {URLs: []string{siteURL}},
		"not an http":    {URLs: []string{"ftp://user:secret@host/"}, Streams: 1},
		"is not a URL":   {URLs: []string{"http://user:secret@ho st:x/"}, Streams: 1},
		"is negative":    {URLs: []string{siteURL}, Streams: 1, Ramp: -1},
		"a Kill needs":   {URLs: []string{siteURL}, Streams: 1, Kill: []load.Kill{{Fraction: 1.5}}},
		"Slow.Fraction":  {URLs: []string{siteURL}, Streams: 1, Slow: load.Slow{Fraction: 2}},
		"BytesPerSecond": {URLs: []string{siteURL}, Streams: 1, Slow: load.Slow{Fraction: 1}},
		"Publish.URL":    {URLs: []string{siteURL}, Streams: 1, Publish: &load.Publish{}},
		"Interval":       {URLs: []string{siteURL}, Streams: 1, Publish: &load.Publish{URL: siteURL, Interval: -1}},
	} {
		r, err := load.Run(t.Context(), cfg)
		assert.Nil(t, r)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// TestFileLimit: a run does not ask for more streams than this process may have files, and says so.
func TestFileLimit(t *testing.T) {
	if os.Getenv("FILE_LIMIT") == "" {
		cmd := exec.Command("sh", "-c", `ulimit -n 200 && exec "$0" -test.run='^TestFileLimit$' -test.v`, os.Args[0])
		cmd.Env = append(os.Environ(), "FILE_LIMIT=1")
		out, err := cmd.CombinedOutput()
		if _, missing := exec.LookPath("sh"); missing != nil {
			t.Skip("sh is not installed")
		}
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "PASS: TestFileLimit")
		return
	}
	var r *load.Report
	synctest.Test(t, func(t *testing.T) {
		h := new(hub)
		s := newSite(t, h)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var err error
		r, err = load.Run(ctx, load.Config{URLs: []string{siteURL}, Streams: 10_000_000, Transport: s.transport()})
		require.NoError(t, err)
	})
	assert.Equal(t, load.Streams{Asked: 10_000_000, Opened: 136, Held: 136, Refused: 10_000_000 - 136}, r.Streams)
	assert.Contains(t, r.Stopped, "this machine: this process may open 200 files")
	assert.EqualValues(t, 200, r.Client.Files)
}

// TestPublishOverlapping: events that are published at the same time have no order that the server could keep,
// and the report says so.
func TestPublishOverlapping(t *testing.T) {
	t.Parallel()
	var r *load.Report
	synctest.Test(t, func(t *testing.T) {
		events := make(chan string, 100)
		mux := http.NewServeMux()
		mux.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), "-3.") {
				time.Sleep(700 * time.Millisecond) // on its way
			}
			events <- string(body)
		})
		mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			for {
				select {
				case text := <-events:
					fmt.Fprintf(w, "data: %s\n\n", text)
					w.(http.Flusher).Flush()
				case <-r.Context().Done():
					return
				}
			}
		})
		s := newSite(t, mux)
		var err error
		r, err = load.Run(t.Context(), load.Config{
			URLs: []string{siteURL}, Transport: s.transport(), Streams: 1, Duration: 5*time.Second + 100*time.Millisecond,
			Publish: &load.Publish{URL: "http://site/publish", Interval: 500 * time.Millisecond, Client: &http.Client{Transport: s.transport()}},
		})
		require.NoError(t, err)
	})
	assert.EqualValues(t, 11, r.Publish.Sent)
	assert.EqualValues(t, 1, r.Sequence.OutOfOrder)
	assert.Zero(t, r.Sequence.Missing)
	assert.Contains(t, r.Sequence.Note, "the server had 1 of the published events before it had answered an earlier one")
}
