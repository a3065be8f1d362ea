package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStateProcesses: processes that share a file keep all positions, on streams of their
// own and on the same one.
func TestStateProcesses(t *testing.T) {
	url := serve(t, endless(time.Millisecond))
	state := filepath.Join(t.TempDir(), "state")
	var all sync.WaitGroup
	for _, arg := range []string{"/one", "/two", "/same", "/same"} {
		all.Go(func() {
			file, err := binary()
			assert.NoError(t, err)
			stdout, stderr, code := runFile(file, "", "-state", state, "-n", "500", "-data", url+arg)
			assert.Zero(t, code, stderr)
			assert.Empty(t, stderr)
			assert.Equal(t, 500, strings.Count(stdout, "\n"))
		})
	}
	all.Wait()
	ids := readState(t, state)
	assert.Len(t, ids, 3)
	for key, id := range ids {
		if strings.Contains(key, "/same") { // one may have started where the other was
			n, err := strconv.Atoi(id)
			assert.NoError(t, err)
			assert.GreaterOrEqual(t, n, 500)
		} else {
			assert.Equal(t, "500", id)
		}
	}
	left, err := os.ReadDir(filepath.Dir(state))
	require.NoError(t, err)
	assert.Len(t, left, 1)
}

// TestLockLeavesNoFiles: a process that waits for a lock opens the file again and again, and
// closes it each time.
func TestLockLeavesNoFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	unlock, err := tryLock(file)
	require.NoError(t, err)
	for range 50 {
		_, err := tryLock(file)
		require.Equal(t, errLocked, err)
	}
	open := 0
	links, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil && name == file {
			open++
		}
	}
	require.Equal(t, 1, open)
	unlock()
	unlock, err = tryLock(file)
	require.NoError(t, err)
	unlock()
}

// TestStateFile: what exists already is respected.
func TestStateFile(t *testing.T) {
	save := func(t *testing.T, file string) {
		s := open(t, file)
		s.note("new", "1")
		require.NoError(t, s.save())
	}
	private := func(t *testing.T, file string) {
		info, err := os.Lstat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
	for _, text := range []string{"", " \n", "null", "{}", `{"old":"7"}`} {
		file := filepath.Join(t.TempDir(), "state")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		save(t, file)
		private(t, file)
		want := map[string]string{"new": "1"}
		if strings.Contains(text, "old") {
			want["old"] = "7"
		}
		require.Equal(t, want, readState(t, file))
	}
	t.Run("new", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "state")
		save(t, file)
		private(t, file)
		left, err := os.ReadDir(filepath.Dir(file))
		require.NoError(t, err)
		require.Len(t, left, 1)
	})
	t.Run("links", func(t *testing.T) {
		dir := t.TempDir()
		real := filepath.Join(dir, "real", "state")
		require.NoError(t, os.Mkdir(filepath.Dir(real), 0o755))
		link, chain, absolute := filepath.Join(dir, "link"), filepath.Join(dir, "chain"), filepath.Join(dir, "absolute")
		require.NoError(t, os.Symlink("real/state", link))
		require.NoError(t, os.Symlink("link", chain))
		require.NoError(t, os.Symlink(real, absolute))
		for _, name := range []string{link, chain, absolute} {
			save(t, name) // the first time the target does not exist yet
			info, err := os.Lstat(name)
			require.NoError(t, err)
			require.Equal(t, os.ModeSymlink, info.Mode().Type())
			require.Equal(t, map[string]string{"new": "1"}, readState(t, real))
			private(t, real)
			require.NoError(t, os.WriteFile(real, nil, 0o644))
		}
		loop := filepath.Join(dir, "loop")
		require.NoError(t, os.Symlink("loop", loop))
		_, err := openState(loop)
		require.ErrorContains(t, err, "too many links")
	})
	t.Run("temporary", func(t *testing.T) {
		dir := t.TempDir()
		file, victim := filepath.Join(dir, "state"), filepath.Join(dir, "victim")
		require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
		require.NoError(t, os.Symlink(victim, file+".tmp"))
		require.NoError(t, os.Symlink(victim, filepath.Join(dir, ".state.sse.tmp")))
		save(t, file)
		b, err := os.ReadFile(victim)
		require.NoError(t, err)
		require.Equal(t, "precious", string(b))
		_, err = os.Lstat(file + ".tmp")
		require.NoError(t, err, "it is not ours")
		private(t, file)
	})
}

// TestLockReplaced: the lock of a file that was replaced before it was locked is none.
func TestLockReplaced(t *testing.T) {
	file := write(t, "state", "")
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, tryLockOpen(f))
	require.NoError(t, os.Rename(write(t, "new", ""), file))
	require.Equal(t, errLocked, tryLockOpen(f))
	require.NoError(t, os.Remove(file))
	require.Equal(t, errLocked, tryLockOpen(f))
}

// TestStateUnwritable: a file that cannot be written is found before a request is made.
func TestStateUnwritable(t *testing.T) {
	var requests atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { requests.Add(1) })
	file, err := binary()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "sse") // which others may enter
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o777))
	require.NoError(t, os.Chmod(filepath.Dir(file), 0o755))
	for name, prepare := range map[string]func(state string) error{
		"directory": func(string) error { return os.Chmod(dir, 0o555) },
		"directory of a file": func(state string) error {
			if err := os.WriteFile(state, nil, 0o666); err != nil {
				return err
			}
			return os.Chmod(state, 0o666)
		},
		"file": func(state string) error { return os.Chmod(state, 0o444) },
	} {
		state := filepath.Join(dir, "state")
		require.NoError(t, os.Chmod(dir, 0o777))
		if name != "directory" {
			require.NoError(t, os.WriteFile(state, nil, 0o600))
		}
		require.NoError(t, prepare(state))
		require.NoError(t, os.Chmod(dir, 0o555))
		cmd := exec.Command(file, "-state", state, url)
		if os.Getuid() == 0 { // who may write everywhere
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, _ := cmd.CombinedOutput()
		assert.Equal(t, exitUsage, cmd.ProcessState.ExitCode(), name)
		assert.Contains(t, string(out), "permission denied", name)
		require.NoError(t, os.Chmod(dir, 0o777))
		_ = os.Remove(state)
	}
	assert.Zero(t, requests.Load())
}

// TestStateCost reports what -state costs.
func TestStateCost(t *testing.T) {
	const events = 20_000
	var body strings.Builder
	for n := range events {
		fmt.Fprintf(&body, "id: %d\ndata: %d\n\n", n, n)
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(body.String()))
	})
	state := filepath.Join(t.TempDir(), "state")
	took := make(map[bool]time.Duration)
	for range 3 {
		for _, flags := range [][]string{{"-once"}, {"-once", "-state", state}} {
			_ = os.Remove(state)
			start := time.Now()
			cmd, stdout, _ := startBinary(t, append(flags, "-data", url)...)
			lines := 0
			for s := bufio.NewScanner(stdout); s.Scan(); {
				lines++
			}
			require.NoError(t, cmd.Wait())
			with := len(flags) > 1
			if d := time.Since(start); took[with] == 0 || d < took[with] {
				took[with] = d
			}
			require.Equal(t, events, lines)
		}
	}
	require.Equal(t, []string{fmt.Sprint(events - 1)}, values(t, state))
	t.Logf("%d events in %v without -state, in %v with it, the best of three: %.2f times as long", events, took[false], took[true],
		took[true].Seconds()/took[false].Seconds())
}
