//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startBinary starts the binary with its output in pipes.
func startBinary(t *testing.T, args ...string) (cmd *exec.Cmd, stdout io.ReadCloser, stderr *bytes.Buffer) {
	t.Helper()
	file, err := binary()
	require.NoError(t, err)
	cmd = exec.Command(file, args...)
	stdout, err = cmd.StdoutPipe()
	require.NoError(t, err)
	stderr = new(bytes.Buffer)
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	return cmd, stdout, stderr
}

// TestInterrupt: SIGINT ends it quietly, with a code of its own.
func TestInterrupt(t *testing.T) {
	s := serveSite(t, (*httptest.Server).Start, "data: a\n\n…")
	cmd, stdout, stderr := startBinary(t, s.URL)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "data: a\n", line)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	assert.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode())
	assert.Empty(t, stderr.String())
}

// TestClosedPipe: as in sse URL | head. It ends quietly at the first event that nobody reads.
func TestClosedPipe(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			fmt.Fprint(w, "data: a\n\n")
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	defer srv.Close()
	for _, flags := range [][]string{{}, {"-raw"}} {
		cmd, stdout, stderr := startBinary(t, append(flags, srv.URL)...)
		_, err := bufio.NewReader(stdout).ReadString('\n')
		require.NoError(t, err)
		require.NoError(t, stdout.Close())
		_ = cmd.Wait()
		assert.Equal(t, exitEnded, cmd.ProcessState.ExitCode())
		assert.Empty(t, stderr.String())
	}
}

// TestKill kills the binary at random moments, a hundred times, and starts it again with
// the same -state. Not an event is lost, and at most one is repeated for each kill.
func TestKill(t *testing.T) {
	size := func(t *testing.T, f *os.File) int64 {
		info, err := f.Stat()
		require.NoError(t, err)
		return info.Size()
	}
	const kills = 100
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			n++
			fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	}))
	defer srv.Close()
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	require.NoError(t, err)
	defer out.Close()
	file, err := binary()
	require.NoError(t, err)
	for range kills {
		cmd := exec.Command(file, "-state", filepath.Join(dir, "state.json"), "-data", srv.URL)
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		before := size(t, out)
		require.NoError(t, cmd.Start())
		for start := time.Now(); size(t, out) == before && time.Since(start) < 30*time.Second; {
			time.Sleep(time.Millisecond) // until it has got to something, however busy the machine is
		}
		time.Sleep(rand.N(40 * time.Millisecond))
		require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait()
	}

	b, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	last, repeated, lost := 0, 0, 0
	for line := range strings.Lines(string(b)) {
		n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		require.NoError(t, err, "the output has a line that is none: %q", line)
		switch {
		case n == last+1:
			last = n
		case n == last:
			repeated++
		default:
			lost++
		}
	}
	t.Logf("%d kills: %d events, %d lost, %d repeated", kills, last, lost, repeated)
	assert.Greater(t, last, kills, "it was killed before it got to anything")
	assert.Zero(t, lost)
	assert.LessOrEqual(t, repeated, kills)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(left), 3, "the output, the state, and one temporary file")
}
