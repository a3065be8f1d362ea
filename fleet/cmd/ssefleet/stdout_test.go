package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// wholeLines reads what is in a pipe whose writers have ended, and returns the IDs of the
// lines that are whole.
func wholeLines(t *testing.T, r *os.File) (ids []int) {
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return ids
		}
		var event record
		require.NoError(t, json.Unmarshal(text, &event), "%s", text)
		id, err := strconv.Atoi(event.ID)
		require.NoError(t, err)
		ids = append(ids, id)
	}
}

func newPipe(t *testing.T) (r, w *os.File) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// TestStandingReader: a reader that stands still does not keep the member from ending, by
// either signal, within the drain limit, and what was not written comes again.
func TestStandingReader(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			feed := newFeed(t)
			feed.pad = strings.Repeat("x", 1000)
			feed.publish(300) // more than the buffer of a pipe takes
			_, nats := startNATS(t, server.Options{})
			args := []string{"-nats", nats, "-drain", "500ms", "-ttl", "1h", feed.list(t, "/a")}
			r, w := newPipe(t)
			p := startOnto(t, w, args...)
			require.NoError(t, w.Close())
			// It stands still when the buffer is full, and takes no more.
			full := 0
			eventually(t, "a full pipe", func() bool {
				n := buffered(t, r)
				defer func() { full = n }()
				return n > 50_000 && n == full
			})
			p.signal(sig)
			require.Zero(t, p.end(), "%s", p.stderr.String())
			got := wholeLines(t, r)
			require.Greater(t, len(got), 40)
			require.Less(t, len(got), 100)

			second := start(t, args...)
			for want := got[len(got)-1] + 1; want <= 300; want++ {
				require.Equal(t, strconv.Itoa(want), second.next().ID, "the first that was not written whole, and so on")
			}
			second.stop()
		})
	}
}

// TestStandingLog: a reader that reads neither events nor the log, as a pager that shows both,
// does not keep the member from ending either.
func TestStandingLog(t *testing.T) {
	feed := newFeed(t)
	feed.pad = strings.Repeat("x", 1000)
	feed.publish(300)
	paths := make([]string, 500) // each of which is logged
	for i := range paths {
		paths[i] = "/" + strconv.Itoa(i)
	}
	_, nats := startNATS(t, server.Options{})
	r, w := newPipe(t)
	p := &process{t: t, Cmd: command(t, "-nats", nats, "-v", "-drain", "500ms", "-ttl", "1h", feed.list(t, paths...))}
	p.Stdout, p.Stderr = w, w
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill() })
	full := 0
	eventually(t, "a full pipe", func() bool {
		n := buffered(t, r)
		defer func() { full = n }()
		return n > 40_000 && n == full
	})
	p.signal(syscall.SIGTERM)
	require.Zero(t, p.end())
}

// TestStopWithoutNATS: neither a reader that stands still nor a NATS that is away keeps
// the member longer than Kubernetes waits.
func TestStopWithoutNATS(t *testing.T) {
	feed := newFeed(t)
	feed.pad = strings.Repeat("x", 1000)
	feed.publish(300)
	srv, nats := startNATS(t, server.Options{})
	r, w := newPipe(t)
	p := startOnto(t, w, "-nats", nats, "-drain", "2s", feed.list(t, "/a", "/b"))
	eventually(t, "a full pipe", func() bool { return buffered(t, r) > 40_000 })
	srv.Shutdown()
	srv.WaitForShutdown()
	p.logs("NATS is disconnected")
	began := time.Now()
	p.signal(syscall.SIGTERM)
	require.Zero(t, p.end())
	require.Less(t, time.Since(began), 30*time.Second)
}

// TestStopWhileReadingList: a list that does not come to its end does not, either.
func TestStopWhileReadingList(t *testing.T) {
	cmd := command(t, "-")
	r, w := newPipe(t)
	_, err := w.WriteString("http://a/\n")
	require.NoError(t, err)
	cmd.Stdin = r
	p := &process{t: t, Cmd: cmd}
	p.start()
	eventually(t, "the member reads", func() bool { return buffered(t, r) == 0 })
	p.signal(syscall.SIGTERM)
	require.Zero(t, p.end())
}

// TestSecondSignal: who does not want to wait for the drain limit, does not have to.
func TestSecondSignal(t *testing.T) {
	feed := newFeed(t)
	feed.pad = strings.Repeat("x", 100_000)
	feed.publish(10)
	_, nats := startNATS(t, server.Options{})
	r, w := newPipe(t)
	p := startOnto(t, w, "-nats", nats, "-drain", "1h", "-v", "-http", "127.0.0.1:0", feed.list(t, "/a"))
	require.NoError(t, w.Close())
	eventually(t, "a full pipe", func() bool { return buffered(t, r) > 60_000 })
	p.signal(syscall.SIGTERM)
	p.logs("stopping")
	time.Sleep(300 * time.Millisecond)
	require.NoError(t, p.Process.Signal(syscall.Signal(0)), "it waits for its reader")
	p.signal(syscall.SIGTERM)
	require.Equal(t, -1, p.end())
	require.Equal(t, syscall.SIGTERM, p.ProcessState.Sys().(syscall.WaitStatus).Signal())
}

// TestBrokenPipe: when its reader is gone, a member hands its streams over and ends: another
// member has them long before their leases are over.
func TestBrokenPipe(t *testing.T) {
	feed := newFeed(t)
	feed.publish(1)
	_, nats := startNATS(t, server.Options{})
	args := []string{"-nats", nats, "-ttl", "1h", feed.list(t, "/a", "/b", "/c", "/d")}
	r, w := newPipe(t)
	p := startOnto(t, w, args...)
	require.NoError(t, w.Close())
	in := bufio.NewReader(r)
	for range 4 {
		_, err := in.ReadBytes('\n')
		require.NoError(t, err)
	}
	require.NoError(t, r.Close())
	feed.publish(1)
	require.Equal(t, exitBroken, p.end())
	require.Contains(t, p.stderr.String(), "ssefleet: standard output: write /dev/stdout: broken pipe\n")

	second := start(t, args...)
	seen := make(map[string]bool)
	for range 4 {
		event := second.next()
		require.Equal(t, "2", event.ID, "what was not written comes again, and nothing else")
		seen[event.Stream] = true
	}
	require.Len(t, seen, 4)
	second.stop()
}

// TestFullDisk: a line that was cut by a full disk does not spoil the one after it.
func TestFullDisk(t *testing.T) {
	feed := newFeed(t)
	feed.publish(3)
	_, nats := startNATS(t, server.Options{})
	list := feed.list(t, "/a")
	name := filepath.Join(t.TempDir(), "out")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer f.Close()

	// A limit of the shell's stands for the disk: two lines of some 100 bytes fit, not three.
	p := &process{t: t, Cmd: exec.CommandContext(t.Context(), "sh", "-c", `trap "" XFSZ; ulimit -f 1; exec "$0" "$@"`,
		os.Args[0], "-nats", nats, "-member", strings.Repeat("m", 300), list)}
	p.Env = append(os.Environ(), "SSEFLEET_TEST_MAIN=1", "GORACE=atexit_sleep_ms=0")
	p.Stdout = f
	p.start()
	require.Equal(t, exitBroken, p.end(), "%s", p.stderr.String())
	require.Contains(t, p.stderr.String(), "ssefleet: standard output: write /dev/stdout: file too large\n")
	before, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NotEqual(t, byte('\n'), before[len(before)-1], "the last line is cut")

	p = startOnto(t, f, "-nats", nats, list)
	var ids []string
	eventually(t, "the rest", func() bool {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		ids = nil
		for _, line := range strings.Split(string(b), "\n") {
			var r record
			if json.Unmarshal([]byte(line), &r) == nil {
				ids = append(ids, r.ID)
			}
		}
		return len(ids) >= 3
	})
	p.stop()
	require.Equal(t, []string{"1", "2", "3"}, ids)
}
