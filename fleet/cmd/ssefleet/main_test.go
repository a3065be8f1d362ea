package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test program is the command, too.
func TestMain(m *testing.M) {
	if os.Getenv("SSEFLEET_TEST_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func ssefleet(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "SSEFLEET_TEST_MAIN=1")
	return cmd
}

type line struct{ Stream, Type, ID, Data, Member string }

// start runs a member, whose events it sends until the member ends.
func start(t *testing.T, args ...string) (*exec.Cmd, <-chan line, *bytes.Buffer) {
	cmd := ssefleet(t, args...)
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	events := make(chan line, 1000)
	go func() {
		defer close(events)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			var l line
			if json.Unmarshal(in.Bytes(), &l) != nil {
				l.Data = "no JSON: " + in.Text()
			}
			events <- l
		}
	}()
	return cmd, events, stderr
}

// stop ends a member as Ctrl-C does, and returns what was left of its events.
func stop(t *testing.T, cmd *exec.Cmd, events <-chan line, stderr *bytes.Buffer) (left []line) {
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	for l := range events {
		left = append(left, l)
	}
	require.NoError(t, cmd.Wait(), "%s", stderr)
	return left
}

// two returns an address with a free port, behind which there is another one.
func two(t *testing.T) string {
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		next, err := net.Listen("tcp", demoAddress(&options{listen: l.Addr().String()}))
		l.Close()
		if err == nil {
			next.Close()
			return l.Addr().String()
		}
	}
	require.Fail(t, "no two ports in a row are free")
	return ""
}

// TestDemo: two members share the demo's streams; one leaves, and the other goes on with all.
func TestDemo(t *testing.T) {
	address, dir := two(t), t.TempDir()
	args := []string{"-demo", "-v", "-listen", address, "-dir", dir, "-ttl", "2s", "-bucket", "b", "-member"}
	one, events, stderr := start(t, append(args, "one")...)
	l := <-events
	require.Equal(t, "one", l.Member)
	require.Equal(t, "message", l.Type)
	two, events2, stderr2 := start(t, append(args, "two")...)
	seen := make(map[string]string) // the last ID, by stream
	for len(seen) < 4 {
		l := <-events2
		require.Equal(t, "two", l.Member)
		seen[l.Stream] = l.ID
	}

	out, err := ssefleet(t, "-status", "-listen", address, "-bucket", "b").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, 4, strings.Count(string(out), "  one  "), "%s", out)
	require.Equal(t, 4, strings.Count(string(out), "  two  "), "%s", out)
	require.Regexp(t, `(?m)^STREAM +READ BY +POSITION +COMMITTED +LAG$`, string(out))
	require.Regexp(t, `(?m)^one +4 +[0-9.]+m?s ago`, string(out))

	for _, l := range stop(t, two, events2, stderr2) {
		require.Equal(t, "two", l.Member)
		seen[l.Stream] = l.ID
	}
	require.Contains(t, stderr2.String(), "# 2 members share 8 streams: 4 are for this one\n")
	require.Contains(t, stderr2.String(), "acquired, goes on after")
	require.Contains(t, stderr2.String(), "handed over after")
	for goesOn := 0; goesOn < 4; {
		l := <-events
		if last, ok := seen[l.Stream]; ok && l.ID > last {
			var a, b int
			_, err := fmt.Sscan(last+" "+l.ID, &a, &b)
			require.NoError(t, err)
			require.Equal(t, a+1, b, "nothing is left out")
			delete(seen, l.Stream)
			goesOn++
		}
	}
	stop(t, one, events, stderr)
	require.Contains(t, stderr.String(), "# NATS for the fleet is at "+address)
}

// TestList: the streams of a file, from standard input, with the other flags; positions outlive
// the process, and NATS that is in it.
func TestList(t *testing.T) {
	resumed := make(chan string, 10)
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed <- r.Header.Get("Last-Event-ID")
		if r.Header.Get("Last-Event-ID") != "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 1\nevent: a\ndata: one\n\nid: 2\ndata: two\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer feed.Close()
	defer feed.CloseClientConnections()
	address, dir := two(t), t.TempDir()
	list := filepath.Join(t.TempDir(), "list")
	require.NoError(t, os.WriteFile(list, []byte("# ours\n\n  "+feed.URL+"/x \n"), 0o600))

	args := []string{"-listen", address, "-dir", dir, "-replicas", "1", "-commit-events", "5", "-commit-interval", "1h", "-idle", "1h", "-member", "me"}
	cmd, events, stderr := start(t, append(args, list)...)
	require.Empty(t, <-resumed)
	require.Equal(t, line{feed.URL + "/x", "a", "1", "one", "me"}, <-events)
	require.Equal(t, line{feed.URL + "/x", "message", "2", "two", "me"}, <-events)
	stop(t, cmd, events, stderr)
	require.Empty(t, stderr.String(), "without -v it is quiet")

	cmd, events, stderr = start(t, append(args, "-v", list)...)
	require.Equal(t, "2", <-resumed, "committed when it was stopped")
	require.Eventually(t, func() bool {
		out, err := ssefleet(t, "-status", "-nats", "nats://"+address).CombinedOutput()
		return err == nil && regexp.MustCompile(`/x +\(ended\) +2 `).Match(out)
	}, 20*time.Second, 50*time.Millisecond)
	stop(t, cmd, events, stderr)
	require.Contains(t, stderr.String(), "has ended")
}

// TestUsage: what is wrong is said in one line, and leaves nothing behind.
func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("empty", []byte("# nothing\n"), 0o600))
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "ssefleet: a FILE with URLs is missing (ssefleet -h for help)\n"},
		{"a b", 2, "ssefleet: one FILE, behind the flags (ssefleet -h for help)\n"},
		{"-status a", 2, "ssefleet: -status, -demo and a FILE exclude each other (ssefleet -h for help)\n"},
		{"-status -demo", 2, "ssefleet: -status, -demo and a FILE exclude each other (ssefleet -h for help)\n"},
		{"-demo a", 2, "ssefleet: -status, -demo and a FILE exclude each other (ssefleet -h for help)\n"},
		{"-idle -1s a", 2, "ssefleet: -idle cannot be negative (ssefleet -h for help)\n"},
		{"-x", 2, "ssefleet: flag provided but not defined: -x (ssefleet -h for help)\n"},
		{"missing", 1, "ssefleet: open missing: no such file or directory\n"},
		{"empty", 1, "ssefleet: empty: no URL in it\n"},
		{"-", 1, "ssefleet: -: no URL in it\n"},
		{"-status -listen 127.0.0.1:1", 1, "ssefleet: nats://127.0.0.1:1: nats: no servers available for connection\n"},
		{"-demo -nats nats://127.0.0.1:1", 1, "ssefleet: nats://127.0.0.1:1: nats: no servers available for connection\n"},
		{"-demo -listen nowhere", 1, "ssefleet: address nowhere: missing port in address\n"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, test.code, run(t.Context(), strings.Fields(test.args), strings.NewReader(""), &stdout, &stderr), test.args)
		require.Equal(t, test.want, stderr.String(), test.args)
		require.Empty(t, stdout.String(), test.args)
	}
	require.NoDirExists(t, "ssefleet-data")
}

// TestClosedOutput: the command ends when nobody reads its events any more.
func TestClosedOutput(t *testing.T) {
	var stderr bytes.Buffer
	args := []string{"-demo", "-listen", two(t), "-dir", t.TempDir()}
	require.Equal(t, 1, run(t.Context(), args, nil, closed{}, &stderr))
	require.Equal(t, "ssefleet: closed\n", stderr.String())
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

// TestHelp: each flag is on the page, which fits a terminal.
func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, nil, &stdout, &stderr))
	require.Equal(t, help, stdout.String())
	for _, l := range strings.Split(help, "\n") {
		require.LessOrEqual(t, len(l), 80, l)
	}
	flags := 0
	new(options).flags().VisitAll(func(f *flag.Flag) {
		require.Contains(t, help, "-"+f.Name)
		flags++
	})
	require.Equal(t, 13, flags)
}
