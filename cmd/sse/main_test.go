package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/memnet"
)

// output is what a run of the command leaves.
type output struct {
	code           int
	stdout, stderr string
	requests       []*http.Request
}

// run runs the command in a bubble, against a server on an in-memory network: a body
// for each request, cut off where it ends in "…", and then 204.
func run(t *testing.T, args []string, bodies ...string) (out output) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := len(out.requests)
			out.requests = append(out.requests, r)
			if n >= len(bodies) {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			if bodies[n] == "404" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			body, cut := strings.CutSuffix(bodies[n], "…")
			_, _ = io.WriteString(w, body)
			_ = http.NewResponseController(w).Flush()
			if cut {
				panic(http.ErrAbortHandler)
			}
		})}
		go srv.Serve(l)
		tr := &http.Transport{DialContext: l.DialContext}
		var stdout, stderr bytes.Buffer
		cmd := command{stdout: &stdout, stderr: &stderr, client: &http.Client{Transport: tr}}
		out.code = cmd.run(t.Context(), args)
		tr.CloseIdleConnections()
		srv.Close()
		synctest.Wait()
		out.stdout, out.stderr = stdout.String(), stderr.String()
	})
	return out
}

const url = "http://memnet/feed"

func TestTail(t *testing.T) {
	out := run(t, []string{url}, "id:1\nevent:e\ndata:a\ndata:b\n\n:c\n\nid:2\ndata: los…", "data:c\n\n")
	require.Zero(t, out.code, out.stderr)
	require.Equal(t, "event: e\nid: 1\ndata: a\ndata: b\n\nid: 1\ndata: c\n\n", out.stdout)
	require.Empty(t, out.stderr)
	require.Len(t, out.requests, 3)
	require.Equal(t, "1", out.requests[1].Header.Get("Last-Event-ID"))
}

func TestJSON(t *testing.T) {
	out := run(t, []string{"-json", url}, "id:1\nevent:e\ndata:<a>\ndata:\"b\"\n\ndata:c\n\n")
	require.Zero(t, out.code, out.stderr)
	require.Equal(t, `{"type":"e","data":"<a>\n\"b\"","id":"1"}`+"\n"+`{"type":"message","data":"c","id":"1"}`+"\n", out.stdout)
	for line := range strings.Lines(out.stdout) {
		require.True(t, json.Valid([]byte(line)))
	}
}

func TestHeadersAndID(t *testing.T) {
	out := run(t, []string{"-H", "Authorization: Bearer a:b", "-H", "X-Two:1", "-H", "x-two: 2", "-H", "Host: example.com", "-id", "7", url})
	require.Zero(t, out.code, out.stderr)
	r := out.requests[0]
	require.Equal(t, "Bearer a:b", r.Header.Get("Authorization"))
	require.Equal(t, []string{"1", "2"}, r.Header["X-Two"])
	require.Equal(t, "7", r.Header.Get("Last-Event-ID"))
	require.Equal(t, "example.com", r.Host)
}

func TestNumber(t *testing.T) {
	out := run(t, []string{"-n", "2", url}, "data:a\n\ndata:b\n\ndata:c\n\n")
	require.Zero(t, out.code, out.stderr)
	require.Equal(t, "data: a\n\ndata: b\n\n", out.stdout)
	require.Len(t, out.requests, 1)
}

func TestVerbose(t *testing.T) {
	out := run(t, []string{"-v", url}, "id:1\n: hello\ndata:a\n\nid:2…")
	require.Zero(t, out.code)
	wait := regexp.MustCompile(`in 1(\.\d+)?s`)
	require.Regexp(t, wait, out.stderr)
	require.Equal(t, `* connect http://memnet/feed
* open, HTTP/1.1 200 OK
* comment: hello
* disconnect: unexpected EOF; again in WAIT after "1"
* connect http://memnet/feed after "1"
* disconnect
`, wait.ReplaceAllString(out.stderr, "in WAIT"))
	require.Equal(t, "id: 1\ndata: a\n\n", out.stdout)
}

func TestRefused(t *testing.T) {
	out := run(t, []string{"-v", url}, "404")
	require.Equal(t, exitBroken, out.code)
	require.Equal(t, `* connect http://memnet/feed
* disconnect: sse: 404 Not Found: "404 page not found"
sse: 404 Not Found: "404 page not found"
`, out.stderr)
	require.Len(t, out.requests, 1)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"a", "b"}, {"-demo", url}, {"-nonsense", url}, {"-n", "x", url}, {"-H", "no colon", url}, {"-H", ": no name", url}} {
		out := run(t, args)
		require.Equal(t, exitUsage, out.code, args)
		require.Contains(t, out.stderr, "Usage:", args)
		require.Empty(t, out.requests)
	}
	require.Zero(t, run(t, []string{"-h"}).code)
	require.Equal(t, exitBroken, run(t, []string{"http://this is invalid/"}).code)
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	cmd := command{stdout: &out, stderr: &out, client: http.DefaultClient}
	require.Equal(t, exitInterrupted, cmd.run(ctx, []string{url}))
	require.Empty(t, out.String(), "quietly")
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestOutputFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cmd := command{stdout: brokenPipe{}, stderr: io.Discard, client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: r,
				Body: io.NopCloser(strings.NewReader("data:1\n\n"))}, nil
		})}}
		require.Equal(t, exitBroken, cmd.run(t.Context(), []string{url}))
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestDemo runs the demo in fake time.
func TestDemo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		tr := &http.Transport{DialContext: l.DialContext}
		defer tr.CloseIdleConnections()
		var out strings.Builder
		start := time.Now()
		require.NoError(t, demo(t.Context(), &out, l, "http://memnet/", &http.Client{Transport: tr}))
		require.Less(t, time.Since(start), 5*time.Second, "as the usage says")
		for _, want := range []string{
			"DROP       unexpected EOF",
			"REFUSED    503 Service Unavailable, Retry-After: 1",
			"DROP       not a byte for 1s",
			"connect    Last-Event-ID: 4",
			"connect    Last-Event-ID: 8",
			"\n12 events received, 0 lost, 0 duplicated: 5 connections, 1 cut, 1 refused with 503, 1 idle timeout, resumed 2 times.\n",
		} {
			require.Contains(t, out.String(), want)
		}
	})
}

// TestDemoFails: a count that is off is an error.
func TestDemoFails(t *testing.T) {
	d := demoClient{w: io.Discard, received: map[string]int{"1": 2}}
	require.Error(t, d.report())
}
