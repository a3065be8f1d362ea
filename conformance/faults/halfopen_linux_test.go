package faults

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/conformance/internal/numbered"
	"github.com/lastevent/sse/conformance/internal/table"
	"github.com/lastevent/sse/conformance/internal/wire"
)

// inside says, in the environment, that the test is in a network of its own.
const inside = "SSE_HALF_OPEN"

// TestHalfOpen: the path between client and server drops all packets, and neither side is
// told. The test runs itself again in a user and a network namespace, where
// it may do that to the loopback.
func TestHalfOpen(t *testing.T) {
	const suite = "half-open TCP, by nftables"
	if os.Getenv(inside) != "" {
		testHalfOpen(t)
		return
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			table.Skip(t, suite, "there is no "+tool)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestHalfOpen$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || strings.Contains(string(out), notHere) {
		table.Skip(t, suite, fmt.Sprintf("no namespace with a firewall: %v %.300s", err, out))
	}
	t.Logf("%s", out)
	require.NoError(t, err)
	for _, p := range halfOpenProtocols {
		row := table.Start(suite, firstLine(t, "nft", "--version"), string(p))
		row.Count(strings.Count(string(out), "--- PASS: TestHalfOpen/"+strings.ReplaceAll(string(p), " ", "_")+"/"), true)
	}
}

const idle = time.Second // the client's IdleTimeout

const notHere = "no firewall can be set up here"

var halfOpenProtocols = []wire.Protocol{wire.HTTP1, wire.Lean, wire.HTTP2, wire.H2C}

func testHalfOpen(t *testing.T) {
	for _, setup := range []string{"ip link set lo up", "nft add table inet f",
		"nft add chain inet f in { type filter hook input priority 0 ; }"} {
		if out, err := exec.Command("sh", "-c", strings.ReplaceAll(setup, ";", `\;`)).CombinedOutput(); err != nil {
			t.Fatalf("%s: %s: %v: %s", notHere, setup, err, out)
		}
	}
	for _, p := range halfOpenProtocols {
		// What is dropped: every packet from and to the server for three seconds, or the packets
		// of the present connection for ever, as by a NAT that has forgotten it.
		t.Run(string(p)+"/the path is dead for a while", func(t *testing.T) {
			halfOpen(t, p, func(server, _ int) (drop []int, healed time.Duration) { return []int{server}, 3 * time.Second }, 10*time.Second)
		})
		t.Run(string(p)+"/the connection is dead for good", func(t *testing.T) {
			within := 2 * idle
			if !p.IsHTTP1() {
				within += idle // for the second attempt on that connection
			}
			drops, ports := halfOpen(t, p, func(_, client int) (drop []int, healed time.Duration) { return []int{client}, 0 }, within)
			if p.IsHTTP1() {
				assert.NotEqual(t, ports[0], ports[1])
				return
			}
			// The silent stream is opened again on the same connection. That attempt gets no
			// header either, and only then the connection is left, for one new connection.
			assert.Equal(t, ports[0], ports[1])
			assert.Len(t, slices.Compact(ports), 2, "%v", ports)
			require.GreaterOrEqual(t, len(drops), 2)
			assert.ErrorIs(t, drops[1].Err, sse.ErrIdleTimeout)
		})
	}
}

// halfOpen follows a stream of an event every 20 ms. In its middle, the packets of the ports
// that swallow names are dropped, and the stream must resume within a time. It returns the
// client's drops, and the client's port of the connection that each request was given.
func halfOpen(t *testing.T, p wire.Protocol, swallow func(server, client int) (ports []int, healed time.Duration), within time.Duration) ([]sse.DisconnectInfo, []int) {
	const last = 200
	log := &numbered.Log{Retry: retry}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for range last {
			select {
			case <-ticker.C:
				log.Publish(1)
			case <-stop:
				return
			}
		}
	}()
	srv := p.Serve(t, log)
	_, serverPort, err := net.SplitHostPort(srv.Addr)
	require.NoError(t, err)
	port, err := strconv.Atoi(serverPort)
	require.NoError(t, err)

	recorder := &portRecorder{RoundTripper: p.Transport(t)}
	c := sse.Client{HTTPClient: &http.Client{Transport: recorder}, IdleTimeout: idle}
	var dead, noticed, resumed time.Time
	c.Reconnect = func(err error) bool {
		if noticed.IsZero() {
			noticed = time.Now()
			assert.ErrorIs(t, err, sse.ErrIdleTimeout)
		}
		return sse.Transient(err)
	}
	defer nft(t, "flush", "chain", "inet", "f", "in")
	count := numbered.Follow(t, c, srv.URL(), last, func(n int) {
		if !noticed.IsZero() && resumed.IsZero() {
			resumed = time.Now()
		}
		if n != last/4 {
			return
		}
		ports, healed := swallow(port, recorder.list()[0])
		for _, port := range ports {
			nft(t, "add", "rule", "inet", "f", "in", "tcp", "dport", fmt.Sprint(port), "drop")
			nft(t, "add", "rule", "inet", "f", "in", "tcp", "sport", fmt.Sprint(port), "drop")
		}
		dead = time.Now()
		if healed > 0 {
			time.AfterFunc(healed, func() { nft(t, "flush", "chain", "inet", "f", "in") })
		}
	})
	ports := recorder.list()
	t.Logf("%s; noticed after %v, resumed after %v; requests on the connections of ports %v", count,
		noticed.Sub(dead).Round(time.Millisecond), resumed.Sub(dead).Round(time.Millisecond), ports)
	count.ExactlyOnce(t)
	require.NotEmpty(t, count.Drops)
	assert.Less(t, noticed.Sub(dead), idle+time.Second)
	assert.Less(t, resumed.Sub(dead), within)
	return count.Drops, ports
}
