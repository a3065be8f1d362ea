package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTerminalRecord: what is shown of a stream while it is recorded is text, fits a line, and
// has no secret; a pipe, or -q, gets nothing.
func TestTerminalRecord(t *testing.T) {
	event := ok + "retry: 10\nid: i" + evil + "\nevent: e" + evil + "\ndata: d" + evil + "\n\nevent: long\ndata: " + strings.Repeat("é高", 1<<14) + "\n\n" +
		"event: secret\ndata: a http://u:hunter2@h/?token=hunter2 hunter3 \x1b[2J\n\n"
	refusal := "HTTP/1.1 418 No" + evilStatus + "\r\nX-A: v" + evilHeader + "\r\n\r\nbody " + evil
	url := serveBytes(t, event, refusal)
	file := filepath.Join(t.TempDir(), "rec")
	s := runTerminal(t, "12", []string{"NO_COLOR=1"}, "record", "-o", file, "-H", "X-Api-Key: hunter3", url)
	require.Equal(t, exitBroken, s.code)
	s.terminal = strings.ReplaceAll(s.terminal, wrapOn, "")
	requireSafe(t, s.terminal, "  open, HTTP/1.1\n", `e\x1b[2J\x1b]0;t\x07`, "  long", "  drop: EOF; again in ", "  secret", `body \x1b[2J`)
	require.NotContains(t, s.terminal, "hunter")
	lines := strings.Split(s.terminal, "\n")
	require.Regexp(t, `^\x1b\[J2 connections, 3 events, [\d.]+ kB in `+file+"$", strings.TrimPrefix(lines[len(lines)-3], "\r"))
	for _, line := range lines {
		if line = strings.ReplaceAll(line, wrapOff, ""); strings.HasPrefix(line, " ") {
			require.Less(t, len([]rune(line)), 80, line)
		}
	}
	for _, args := range [][]string{{"-q"}, {"-q", "-redact=false"}} {
		s = runTerminal(t, "2", nil, append(args, "record", "-n", "1", "-o", file, url)...)
		require.NotEqual(t, exitEnded, s.code, "a subcommand comes first")
	}
	s = runTerminal(t, "2", nil, "record", "-q", "-n", "1", "-o", file, serveBytes(t, event))
	require.Equal(t, exitEnded, s.code)
	require.Empty(t, s.terminal+s.stdout)
	s = runTerminal(t, "1", []string{"NO_COLOR=1"}, "record", "-n", "2", "-o", "-", serveBytes(t, event))
	require.Empty(t, s.stderr)
	requireSafe(t, s.terminal, "sse-recording 1 ")
}

// TestTerminalReplay: the same for what clients ask a player for.
func TestTerminalReplay(t *testing.T) {
	master, slave := openTerminal(t)
	file, err := binary()
	require.NoError(t, err)
	cmd := exec.Command(file, "replay", write(t, "rec", sixEvents))
	cmd.Env = append(cmd.Environ(), "NO_COLOR=1", "TERM=xterm")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = slave
	require.NoError(t, cmd.Start())
	slave.Close()
	url, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	address := strings.Split(strings.TrimPrefix(url, "http://"), "/")[0]
	for _, request := range []string{
		"GET /feed?token=hunter2&x=\u009b35m\u202e\xff HTTP/1.1\r\nHost: h\r\nLast-Event-ID: \u009b2J\r\n\r\n",
		"G\u202e\x1b[2JT / HTTP/1.1\r\nHost: h\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		fmt.Fprint(conn, request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		resp.Body.Close()
		conn.Close()
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()
	shown, _ := io.ReadAll(master)
	text := strings.ReplaceAll(lineEnd.ReplaceAllString(string(shown), "\n"), wrapOn, "")
	requireSafe(t, text, `GET /feed?token=(hidden)&x=\u009b35m\u202e\xff after "\u009b2J"`)
	require.NotContains(t, text, "hunter")
}
