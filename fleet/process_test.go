package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// A process is this test program in another role. It can be killed, paused, and started again.
type process struct {
	t   testing.TB
	env []string
	cmd *exec.Cmd
	log strings.Builder
}

func startProcess(t testing.TB, env ...string) *process {
	p := &process{t: t, env: env}
	p.start()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		_ = p.cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s:\n%s", env[:2], p.log.String())
		}
	})
	return p
}

func (p *process) start() {
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stderr = &p.log
	require.NoError(p.t, p.cmd.Start())
}

func (p *process) signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

// startMember starts a member whose events and leases are counted by the sink at a URL.
func startMember(t testing.TB, name, natsURL, sink string, feeds *feeds, streams int, ttl time.Duration, commit int) *process {
	return startProcess(t, "FLEET_ROLE=member", "FLEET_NAME="+name, "FLEET_NATS="+natsURL, "FLEET_SINK="+sink,
		"FLEET_TTL="+ttl.String(), "FLEET_COMMIT="+strconv.Itoa(commit), "FLEET_INTERVAL=1s", "FLEET_FEEDS="+feeds.URL, "FLEET_STREAMS="+strconv.Itoa(streams))
}

// memberProcess is a member until it is told to stop.
func memberProcess() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	freeOnSignal()
	err := runFromEnv(ctx)
	if !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runFromEnv(ctx context.Context) error {
	name := os.Getenv("FLEET_NAME")
	ttl, err1 := time.ParseDuration(os.Getenv("FLEET_TTL"))
	events, err2 := strconv.Atoi(os.Getenv("FLEET_COMMIT"))
	streams, err3 := strconv.Atoi(os.Getenv("FLEET_STREAMS"))
	conn, err4 := nats.Connect(os.Getenv("FLEET_NATS"), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(100*time.Millisecond),
		nats.IgnoreDiscoveredServers(), nats.Timeout(10*time.Second)) // it may be behind a proxy
	interval, err5 := time.ParseDuration(os.Getenv("FLEET_INTERVAL"))
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	kv, err := js.KeyValue(ctx, "fleet")
	for err != nil && sleep(ctx, pause) == nil {
		kv, err = js.KeyValue(ctx, "fleet")
	}
	sink := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 10 * time.Second}}
	post := func(ctx context.Context, what, stream, id string, token uint64) error {
		if os.Getenv("FLEET_SINK") == "" {
			return nil
		}
		form := url.Values{"member": {name}, "stream": {stream}, "id": {id}, "token": {strconv.FormatUint(token, 10)}}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("FLEET_SINK")+what, strings.NewReader(form.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := sink.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode == http.StatusConflict {
			logLine("refused", stream, id, token)
			<-ctx.Done() // another member has the stream: the lease is about to end
			return context.Cause(ctx)
		}
		return nil
	}
	return Run(ctx, Config{
		KV: kv, Member: name, LeaseTTL: ttl, Commit: CommitPolicy{Events: events, Interval: interval},
		Handle: func(ctx context.Context, stream string, ev sse.Event) error {
			if os.Getenv("FLEET_COUNT") == "leases" {
				return nil
			}
			return post(ctx, "/event", stream, ev.LastEventID, FencingToken(ctx))
		},
		Trace: &Trace{
			Acquired:    func(info StreamInfo) { _ = post(context.WithoutCancel(ctx), "/lease", info.Stream, "", info.Token) },
			StreamError: func(info StreamInfo) { logLine(info.Stream, info.Err) },
			Rebalanced:  func(info RebalanceInfo) { logLine(fmt.Sprintf("%+v", info)) },
			Released: func(info StreamInfo) {
				if info.Err != nil {
					logLine("lost", info.Stream, info.Err)
				}
			},
		},
	}, slices.Values(feedURLs(os.Getenv("FLEET_FEEDS"), streams)))
}

// serveSink serves a tally to members.
func serveSink(t testing.TB, c *tally) string {
	return serveSinkAfter(t, c, func(string, string) {})
}

// serveSinkAfter has each event wait for a function.
func serveSinkAfter(t testing.TB, c *tally, wait func(member, id string)) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait(r.FormValue("member"), r.FormValue("id"))
		token, _ := strconv.ParseUint(r.FormValue("token"), 10, 64)
		if r.URL.Path == "/lease" {
			c.acquired(r.FormValue("member"), r.FormValue("stream"), token)
		} else if err := c.add(r.FormValue("member"), r.FormValue("stream"), r.FormValue("id"), token); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL
}

// startCluster starts three nodes, each in a process of its own.
func startCluster(t testing.TB) (nodes []*process, urls string) {
	var client, peer []string
	for range 3 {
		client, peer = append(client, listen(t)), append(peer, listen(t))
	}
	local := func(ports []string) string {
		return "nats://127.0.0.1:" + strings.Join(ports, ",nats://127.0.0.1:")
	}
	for i := range 3 {
		nodes = append(nodes, startProcess(t, "FLEET_ROLE=node", fmt.Sprint("FLEET_NAME=n", i), "FLEET_DIR="+t.TempDir(),
			"FLEET_PORTS="+client[i]+","+peer[i], "FLEET_ROUTES="+local(peer)))
	}
	return nodes, local(client)
}

func logLine(args ...any) {
	fmt.Fprintln(os.Stderr, append([]any{time.Now().Format("04:05.000")}, args...)...)
}
