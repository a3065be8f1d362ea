package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSignals: they end it quietly, each with its code, and with the position of the last
// event that was printed.
func TestSignals(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		if signal.Ignored(sig) {
			t.Logf("left out: %v is ignored here, as under nohup, and by what this test starts", sig)
			continue
		}
		for _, flags := range [][]string{{}, {"-max-time", "1h"}} {
			s := serveSite(t, (*httptest.Server).Start, strings.Repeat("id: 1\ndata: a\n\n", 50)+"id: 2\ndata: b\n\n…")
			state := filepath.Join(t.TempDir(), "state")
			cmd, stdout, stderr := startBinary(t, append(flags, "-data", "-state", state, s.URL)...)
			for line, r := "", bufio.NewReader(stdout); line != "b\n"; {
				var err error
				line, err = r.ReadString('\n')
				require.NoError(t, err)
			}
			require.NoError(t, cmd.Process.Signal(sig))
			_ = cmd.Wait()
			assert.Equal(t, code, cmd.ProcessState.ExitCode())
			assert.Empty(t, stderr.String())
			assert.Equal(t, []string{"2"}, values(t, state))
		}
	}
}

// TestIgnoredHangup: what nohup has started survives its terminal.
func TestIgnoredHangup(t *testing.T) {
	file, err := binary()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `trap "" HUP; exec "$0" "$@"`, file, "-data", serve(t, endless(10*time.Millisecond)))
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := bufio.NewReader(stdout)
	for range 20 {
		_, err := r.ReadString('\n')
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()
	assert.Equal(t, exitTerminated, cmd.ProcessState.ExitCode())
}

// TestBlocked: an event that could not be printed yet is not in the state, and a signal
// ends the command even so.
func TestBlocked(t *testing.T) {
	large := "id: %d\ndata: " + strings.Repeat("x", 300_000) + "\n\n" // more than a pipe takes
	for _, first := range []string{"", "id: 1\ndata: a\n\n"} {
		for _, flags := range [][]string{{"-data"}, {"-raw"}} {
			s := serveSite(t, (*httptest.Server).Start, first+fmt.Sprintf(large, 2)+"…")
			state := filepath.Join(t.TempDir(), "state")
			cmd, stdout, stderr := startBinary(t, append(flags, "-state", state, s.URL)...)
			awaitBlocked(t, stdout)
			if first != "" && flags[0] == "-data" { // -raw may print the first with the second
				require.Eventually(t, func() bool {
					b, err := os.ReadFile(state)
					return err == nil && strings.Contains(string(b), `": "`)
				}, time.Minute, time.Millisecond)
			}
			b, err := os.ReadFile(state)
			require.NoError(t, err)
			assert.NotContains(t, string(b), `": "2"`)
			if first == "" {
				assert.NotContains(t, string(b), `": "`)
			}
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			_ = cmd.Wait() // the command ends while nobody reads
			assert.Equal(t, exitTerminated, cmd.ProcessState.ExitCode())
			assert.Empty(t, stderr.String())
			b, err = os.ReadFile(state)
			require.NoError(t, err)
			assert.NotContains(t, string(b), `": "2"`)
		}
	}
}

// TestSecondSignal: it kills, whatever the first one waits for.
func TestSecondSignal(t *testing.T) {
	s := serveSite(t, (*httptest.Server).Start, "data: "+strings.Repeat("x", 300_000)+"\n\n…")
	cmd, stdout, _ := startBinary(t, s.URL)
	awaitBlocked(t, stdout)
	ended := make(chan *os.ProcessState)
	go func() {
		state, _ := cmd.Process.Wait()
		ended <- state
	}()
	for {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case state := <-ended:
			require.True(t, state.Sys().(syscall.WaitStatus).Signaled(), state)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// awaitBlocked waits until a pipe is full: no system says so, and not each pipe is of the
// same size, but what it holds grows no more.
func awaitBlocked(t *testing.T, pipe io.Reader) {
	for before, since := 0, time.Now(); before < 1000 || time.Since(since) < 3*saveEvery; time.Sleep(time.Millisecond) {
		if n := pending(t, pipe); n != before {
			before, since = n, time.Now()
		}
	}
}

// pending returns how many bytes a pipe holds.
func pending(t *testing.T, pipe io.Reader) int {
	var n int32
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, pipe.(*os.File).Fd(), syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	require.Zero(t, errno)
	return int(n)
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
// the same -state. Not an event is lost; what came since the last save is repeated.
func TestKill(t *testing.T) {
	size := func(t *testing.T, f *os.File) int64 {
		info, err := f.Stat()
		require.NoError(t, err)
		return info.Size()
	}
	const kills = 100
	url := serve(t, endless(time.Millisecond))
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	require.NoError(t, err)
	defer out.Close()
	file, err := binary()
	require.NoError(t, err)
	for range kills {
		cmd := exec.Command(file, "-state", filepath.Join(dir, "state.json"), "-data", url)
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		before := size(t, out)
		require.NoError(t, cmd.Start())
		for start := time.Now(); size(t, out) == before && time.Since(start) < 30*time.Second; {
			time.Sleep(time.Millisecond) // until it has got to something, however busy the machine is
		}
		time.Sleep(rand.N(150 * time.Millisecond))
		require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait()
	}

	b, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	last, repeated, lost := 0, 0, 0
	for line := range strings.Lines(string(b)) {
		n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		require.NoError(t, err, "the output has a line that is no event: %q", line)
		switch {
		case n == last+1:
			last = n
		case n <= last:
			repeated++
		default:
			lost++
		}
	}
	t.Logf("%d kills: %d events, %d lost, %d repeated", kills, last, lost, repeated)
	assert.Greater(t, last, kills, "it was killed before it got to anything")
	assert.Zero(t, lost)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(left), 3, "the output, the state, and one temporary file")
}
