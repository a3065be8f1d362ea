package load_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/conformance/internal/numbered"
	"github.com/lastevent/sse/conformance/internal/program"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/load"
)

var (
	header = []string{"Server", "Version", "Streams", "Opened", "Held", "Lost", "Header p99", "Server memory per stream", "Skew p50", "Skew p99", "All back after", "Missing", "Repeated", "Whose limit"}
	rows   [][]string
)

const interval = time.Second // between two events

// A server is one that can be restarted.
type server struct {
	name, version string
	start         func(t *testing.T) (prog *program.Program, addr string)
	path          string
	publish       func(addr string, n int) (*http.Request, error)
}

const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

// publishTo is how the servers of ours are told to publish.
func publishTo(addr string, n int) (*http.Request, error) {
	return http.NewRequest(http.MethodPost, fmt.Sprintf("http://%s/publish?to=%d", addr, n), nil)
}

func nodeServer(name, script string) server {
	return server{
		name: name, path: "/sse", publish: publishTo,
		start: func(t *testing.T) (*program.Program, string) {
			port := program.FreePort(t)
			t.Setenv("RETRY", "1000") // as the other clients wait without a retry field
			return program.Start(t, port, program.Find("node"), "../servers/node/"+script, strconv.Itoa(port), "0"), fmt.Sprintf("127.0.0.1:%d", port)
		},
	}
}

func goServer(name, which, version string) server {
	return server{
		name: name, version: version, path: "/sse", publish: publishTo,
		start: func(t *testing.T) (*program.Program, string) {
			port := program.FreePort(t)
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			t.Setenv("SERVER", which)
			t.Setenv("SERVER_ADDR", addr)
			t.Setenv("SERVER_LOG", filepath.Join(t.TempDir(), "length"))
			return program.Start(t, port, os.Args[0]), addr
		},
	}
}

// TestLoad opens streams on each server, publishes an event a second, restarts the server after a while, and waits until the
// streams are back.
func TestLoad(t *testing.T) {
	for _, s := range []server{
		goServer("net/http, a handler of ours", "net/http", runtime.Version()),
		goServer("tmaxmax/go-sse", "go-sse", table.ModuleVersion("github.com/tmaxmax/go-sse")),
		nodeServer("better-sse", "better-sse.mjs"),
		nodeServer("@fastify/sse", "fastify-sse.mjs"),
		{
			name: "nginx with nchan", path: "/sub",
			start: func(t *testing.T) (*program.Program, string) {
				srv, port := program.Nginx(t, "load_module "+nchanModule+";", "nchan_max_reserved_memory 256M;", `;
				nchan_channel_id numbers;
				nchan_message_buffer_length 20000;
				location /pub { nchan_publisher; }
				location /sub { nchan_subscriber eventsource; }`)
				return srv, fmt.Sprintf("127.0.0.1:%d", port)
			},
			publish: func(addr string, n int) (*http.Request, error) {
				return http.NewRequest(http.MethodPost, "http://"+addr+"/pub", strings.NewReader(numbered.Data(n)))
			},
		},
	} {
		t.Run(s.name, func(t *testing.T) {
			if s.version == "" {
				s.version = installed(t, s.name)
			}
			s.run(t)
		})
	}
}

// installed returns the version of a server that is a program of its own, or skips the test.
func installed(t *testing.T, name string) string {
	if name == "nginx with nchan" {
		nginx := program.Find("nginx")
		if _, err := os.Stat(nchanModule); err != nil || nginx == "" {
			t.Skip("nginx with its nchan module is not installed")
		}
		return program.Version(t, func(out string) string { return strings.TrimSpace(strings.TrimPrefix(out, "nginx version: ")) }, nginx, "-v")
	}
	if program.Find("node") == "" {
		t.Skip("node is not installed")
	}
	b, err := os.ReadFile("../servers/node/node_modules/" + name + "/package.json")
	if err != nil {
		t.Skip("npm ci has not been run in conformance/servers/node")
	}
	var p struct{ Version string }
	require.NoError(t, json.Unmarshal(b, &p))
	return p.Version
}

func (s server) run(t *testing.T) {
	prog, addr := s.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go s.publishAll(ctx, addr)

	ramp := time.Duration(*streams) * time.Second / 100 // a hundred a second
	before := prog.Memory(t)
	var perStream int64
	restarted := false
	cfg := load.Config{
		URLs: []string{"http://" + addr + s.path}, Streams: *streams, Ramp: ramp, ExpectRestart: true,
		Sequence: func(ev sse.Event) (int64, bool) {
			n := numbered.Number(ev.Data)
			return int64(n), n > 0
		},
	}
	hold := 10 * time.Second // as many events
	if *streams <= 100 {
		hold = 2 * time.Second
	}
	end := time.Time{}
	cfg.Progress = func(now load.Snapshot) {
		switch {
		case !restarted && now.Elapsed > ramp+hold:
			restarted = true
			if now.Open > 0 {
				perStream = (prog.Memory(t) - before) / int64(now.Open)
			}
			prog.Relaunch(t)
		case restarted && end.IsZero() && (now.Open >= now.Asked && now.Elapsed > ramp+hold+3*time.Second || now.Elapsed > ramp+hold+2*time.Minute):
			end = time.Now()
			time.AfterFunc(5*time.Second, cancel) // for what was published meanwhile
		}
	}
	r, err := load.Run(ctx, cfg)
	require.NoError(t, err)
	t.Logf("%+v %+v %v failures %v ends %v; %s %s", r.Streams, r.Sequence, r.Latency.Skew.P99, r.Failures, r.Ends, r.Stopped, r.Client.Bottleneck)
	require.NotEmpty(t, r.Storms, "the server was restarted")
	storm := r.Storms[len(r.Storms)-1]
	for _, st := range r.Storms {
		if st.Dropped > storm.Dropped {
			storm = st
		}
	}
	back := "never"
	if storm.Back100 > 0 {
		back = milliseconds(storm.Back100)
	}
	limit := cmp.Or(r.Stopped, "none met")
	if r.Client.Bottleneck != "" {
		limit += "; times are those of a busy machine"
	}
	rows = append(rows, []string{
		s.name, s.version, strconv.Itoa(r.Streams.Asked), strconv.Itoa(r.Streams.Opened), strconv.Itoa(r.Streams.Held), strconv.Itoa(r.Streams.Lost),
		milliseconds(r.Latency.Header.P99), fmt.Sprintf("%.1f KiB", float64(perStream)/1024),
		milliseconds(r.Latency.Skew.P50), milliseconds(r.Latency.Skew.P99), back,
		strconv.FormatInt(r.Sequence.Missing, 10), strconv.FormatInt(r.Sequence.Repeated, 10), limit,
	})
	if *streams <= 100 {
		assert.Equal(t, *streams, r.Streams.Opened)
		assert.Equal(t, *streams, r.Streams.Held)
		assert.Equal(t, *streams, storm.Dropped)
		assert.Equal(t, *streams, storm.Back)
		assert.Zero(t, r.Sequence.OutOfOrder)
	}
}

// publishAll publishes an event every interval, each until the server has taken it.
func (s server) publishAll(ctx context.Context, addr string) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			req, err := s.publish(addr, n)
			if err != nil {
				return
			}
			resp, err := http.DefaultClient.Do(req.WithContext(ctx))
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode < 300 {
					break
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.0f ms", d.Seconds()*1000) }
