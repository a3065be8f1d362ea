package load_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/load"
)

var (
	idle          = flag.Int("idle", 600, "streams of TestIdle, over all processes")
	idleProcesses = flag.Int("idle-processes", 2, "processes of TestIdle that have streams, each with a server process of its own")
	idleHold      = flag.Duration("idle-hold", time.Second, "how long TestIdle holds its streams after it has opened them")
	idleRamp      = flag.Duration("idle-ramp", 0, "over which TestIdle opens them; 0: at once")
)

const maxBytesPerStream = 14 << 10

// TestIdle holds idle streams: the client's processes and the server's are processes of their own, so that
// the client's memory is that of the streams only. Streams lie between the limit of open files of one process, so
//
//	go test -run TestIdle -idle 50000 -idle-processes 3 -idle-hold 1m -v .
//
// holds fifty thousand where a process may open 20 000 files. A few streams, which are the default, show no
// memory of a stream.
func TestIdle(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process is read from /proc, and the servers use addresses of 127.0.0.0/8")
	}
	var clients sync.WaitGroup
	reports := make([]*load.Report, *idleProcesses)
	start := make(chan struct{})
	for i := range *idleProcesses {
		streams := *idle / *idleProcesses
		addr := startIdleServer(t, fmt.Sprintf("127.0.0.%d", i+1))
		clients.Go(func() {
			<-start
			reports[i] = runIdleClient(t, addr, streams)
		})
	}
	close(start)
	clients.Wait()
	var opened time.Duration
	for i, r := range reports {
		require.NotNil(t, r)
		t.Logf("process %d: %d of %d streams held for %v, %d bytes each; header p50 %v, p99 %v, max %v; cpu %v; %s%s",
			i+1, r.Streams.Held, r.Streams.Asked, *idleHold, r.Client.BytesPerStream, r.Latency.Header.P50, r.Latency.Header.P99, r.Latency.Header.Max,
			r.Client.CPU.Round(10*time.Millisecond), r.Stopped, r.Client.Bottleneck)
		n := *idle / *idleProcesses
		if want := (load.Streams{Asked: n, Opened: n, Held: n}); r.Streams != want {
			t.Errorf("%+v, failures %v, ends %v", r.Streams, r.Failures, r.Ends)
		}
		assert.EqualValues(t, n, r.Latency.FirstEvent.Count)
		if n >= 5000 {
			assert.LessOrEqual(t, r.Client.BytesPerStream, int64(maxBytesPerStream))
		}
		opened = max(opened, r.Latency.Header.Max)
	}
	t.Logf("all were open after %v", opened)
}

// startIdleServer starts a server process, which ends with the test, and returns its address.
func startIdleServer(t *testing.T, host string) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "IDLE_SERVER="+host)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(addr)
}

// runIdleClient runs a client process, and returns its report.
func runIdleClient(t *testing.T, addr string, streams int) *load.Report {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("IDLE_CLIENT=%s %d %v %v", addr, streams, *idleRamp, *idleHold))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if !assert.NoError(t, cmd.Run()) {
		return nil
	}
	r := new(load.Report)
	if !assert.NoError(t, json.Unmarshal(out.Bytes(), r), out.String()) {
		return nil
	}
	return r
}

// idleClient is the main function of a client process.
func idleClient(args string) error {
	var addr string
	var streams int
	var ramp, hold string
	if _, err := fmt.Sscan(args, &addr, &streams, &ramp, &hold); err != nil {
		return err
	}
	cfg := load.Config{URLs: []string{"http://" + addr}, Streams: streams, OpenIn: 5 * time.Minute, Client: sse.Client{Reconnect: sse.Transient}}
	cfg.Ramp, _ = time.ParseDuration(ramp)
	holdFor, err := time.ParseDuration(hold)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Ramp+holdFor+5*time.Minute) // if they do not all open
	defer cancel()
	var once sync.Once
	cfg.Progress = func(s load.Snapshot) {
		if s.Open == streams {
			once.Do(func() { time.AfterFunc(holdFor, cancel) })
		}
	}
	r, err := load.Run(ctx, cfg)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// idleServer is the main function of a server process, which ends with its standard input. It answers each connection with the
// beginning of a stream and one event, and keeps it open. A connection costs it no goroutine.
func idleServer(host string) error {
	lc := net.ListenConfig{KeepAlive: -1}
	ln, err := lc.Listen(context.Background(), "tcp", host+":0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go func() {
		var mu sync.Mutex
		var conns []net.Conn // so that they are not collected
		for {
			conn, err := ln.Accept()
			if err != nil {
				fmt.Fprintln(os.Stderr, "idle server:", err)
				time.Sleep(10 * time.Millisecond)
				continue
			}
			go func() {
				b := make([]byte, 1<<10)
				for n := 0; !bytes.HasSuffix(b[:n], []byte("\r\n\r\n")); {
					m, err := conn.Read(b[n:])
					if err != nil {
						conn.Close()
						return
					}
					n += m
				}
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n18\r\n:\n\nid: 1\ndata: welcome\n\n\r\n")
				mu.Lock()
				conns = append(conns, conn)
				mu.Unlock()
			}()
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
