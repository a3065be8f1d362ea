package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readState returns what a state file has.
func readState(t *testing.T, file string) (ids map[string]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &ids), "%s", b)
	return ids
}

// open opens a state.
func open(t *testing.T, file string) *state {
	t.Helper()
	s, err := openState(file)
	require.NoError(t, err)
	return s
}

// TestStateSynced: what is in the file is on the disk: the new file before it takes the
// place of the old one, and the directory afterwards.
func TestStateSynced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := open(t, file)
	var synced []string
	s.sync = func(f *os.File) error {
		info, err := f.Stat()
		require.NoError(t, err)
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		if info.IsDir() {
			synced = append(synced, fmt.Sprintf("directory: %q", b))
			return nil
		}
		temp, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		synced = append(synced, fmt.Sprintf("%q -> %q", b, temp))
		return nil
	}
	s.note("a", "1")
	require.NoError(t, s.save())
	require.NoError(t, s.save(), "nothing is new")
	s.note("a", "1")
	require.NoError(t, s.save(), "nor is this")
	require.Equal(t, []string{
		`"" -> "{\n\t\"a\": \"1\"\n}\n"`,
		`directory: "{\n\t\"a\": \"1\"\n}\n"`,
	}, synced)

	s.sync = func(*os.File) error { return os.ErrDeadlineExceeded }
	s.note("a", "2")
	require.ErrorIs(t, s.save(), os.ErrDeadlineExceeded)
	require.Equal(t, map[string]string{"a": "1"}, readState(t, file), "a file that is not on the disk takes no place")
}

// TestStateInterval: many events cost few saves, and each of them is saved soon.
func TestStateInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "state")
		s := open(t, file)
		saves := 0
		s.sync = func(f *os.File) error {
			if info, _ := f.Stat(); !info.IsDir() {
				saves++
			}
			return nil
		}
		end := s.keep(func(err error) { t.Error(err) })
		s.note("a", "0")
		synctest.Wait()
		require.Equal(t, map[string]string{"a": "0"}, readState(t, file), "at the first event")
		for n := range 20_000 {
			time.Sleep(50 * time.Microsecond)
			s.note("a", fmt.Sprint(n))
		}
		time.Sleep(saveEvery)
		synctest.Wait()
		require.Equal(t, map[string]string{"a": "19999"}, readState(t, file), "after an interval")
		require.InDelta(t, 11, saves, 2)
		s.note("a", "end")
		end()
		require.Equal(t, map[string]string{"a": "end"}, readState(t, file), "at the end")
	})
}

// TestStateFails: what cannot be saved ends the run.
func TestStateFails(t *testing.T) {
	for _, atEnd := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "state"))
			full := !atEnd
			s.sync = func(*os.File) error {
				if full {
					return os.ErrPermission
				}
				return nil
			}
			var failed []error
			end := s.keep(func(err error) { failed = append(failed, err) })
			s.note("a", "1")
			synctest.Wait() // it is saved, if it can be
			full = true
			s.note("a", "2")
			end()
			require.NotEmpty(t, failed)
			require.ErrorIs(t, failed[0], os.ErrPermission)
		})
	}
}

// TestStateShared: each process changes only its own entries.
func TestStateShared(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	one, two := open(t, file), open(t, file)
	var both sync.WaitGroup
	for key, s := range map[string]*state{"one": one, "two": two} {
		both.Go(func() {
			for n := range 100 {
				s.note(key, fmt.Sprint(n))
				assert.NoError(t, s.save())
			}
		})
	}
	both.Wait()
	require.Equal(t, map[string]string{"one": "99", "two": "99"}, readState(t, file))
	one.note("one", "") // the server's ID was reset
	require.NoError(t, one.save())
	require.Equal(t, map[string]string{"two": "99"}, readState(t, file))
	require.Equal(t, "99", open(t, file).id("two"))
}

// TestStateIDs: an ID that no header can carry is not stored.
func TestStateIDs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := open(t, file)
	s.note("a", "1")
	s.note("a", strings.Repeat("x", 40_000))
	s.note("a", "\x01")
	require.NoError(t, s.save())
	require.Equal(t, map[string]string{"a": "1"}, readState(t, file))
}

// TestLockByName: where the file system has no locks, a file is one, for a while.
func TestLockByName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	unlock, err := tryLockByName(file)
	require.NoError(t, err)
	_, err = tryLockByName(file)
	require.Equal(t, errLocked, err)
	unlock()
	_, err = tryLockByName(file)
	require.NoError(t, err)
	crashed := time.Now().Add(-lockStale - time.Minute)
	require.NoError(t, os.Chtimes(file+".lock", crashed, crashed))
	_, err = tryLockByName(file)
	require.Equal(t, errLocked, err)
	unlock, err = tryLockByName(file)
	require.NoError(t, err)
	unlock()
	_, err = tryLockByName(filepath.Join(file, "x"))
	require.Error(t, err)
}

// TestLock: a lock is waited for, but not for ever.
func TestLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	unlock, err := lock(file)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := lock(file)
		require.Equal(t, errLocked, err)
		require.Greater(t, time.Since(start), lockTimeout)
		time.AfterFunc(time.Second, unlock)
		again, err := lock(file)
		require.NoError(t, err)
		again()
	})
}

// TestStateEntries: a position belongs to the method, the URL with its query and its user,
// the body and the socket, of which the file shows neither query nor userinfo nor body.
func TestStateEntries(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if id := r.Header.Get("Last-Event-ID"); id != "" {
			fmt.Fprintf(w, "data: after %s\n\n", id)
			return
		}
		user, _, _ := r.BasicAuth()
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		fmt.Fprintf(w, "id: %s %s %s %s\ndata: new\n\n", r.Method, r.RequestURI, user, body)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "state")
	host := s.Listener.Addr().String()
	runs := [][]string{
		{host}, {host + "/feed"}, {host + "/feed?topic=secret"}, {host + "/feed?topic=secret2"}, {"http://ann:secret@" + host}, {"http://bob:secret@" + host},
		{"-u", "cid:secret", host}, {"-u", "dan:secret", host}, {"-d", "secret=1", host}, {"-d", "secret=2", host}, {"-X", "REPORT", host},
	}
	args := func(run []string) []string { return append([]string{"-state", file, "-once", "-data"}, run...) }
	for i, run := range runs {
		stdout, _ := runBinary(t, exitEnded, "", args(run)...)
		require.Equal(t, "new\n", stdout)
		require.Len(t, readState(t, file), i+1)
	}
	for _, run := range runs {
		stdout, _ := runBinary(t, exitEnded, "", args(run)...)
		require.Regexp(t, "^after ", stdout)
	}
	// What is not part of it: how the URL is written, its name, and what an hour's token is.
	for _, run := range [][]string{{"http://" + host + "/"}, {"name=" + host}, {"-H", "Authorization: Bearer x", host}, {"-u", "cid:new", host}, {host + "/#x"}} {
		stdout, _ := runBinary(t, exitEnded, "", args(run)...)
		require.Contains(t, stdout, "after ")
	}
	require.Len(t, readState(t, file), len(runs))
	for key := range readState(t, file) {
		require.Regexp(t, `^(GET|POST|REPORT) http://`+host+`/(feed)? [0-9a-f]{32}$`, key)
	}
	// An ID of the user's comes first.
	for _, flags := range [][]string{{"-id", "7"}, {"-H", "Last-Event-ID: 7"}} {
		stdout, _ := runBinary(t, exitEnded, "", append(args(runs[0]), flags...)...)
		require.Equal(t, "after 7\n", stdout)
	}
}

// TestStateTooLong: an ID that was stored by hand, and that no header can carry, is found
// before a request is made.
func TestStateTooLong(t *testing.T) {
	s := serveSite(t, (*httptest.Server).Start, "id: 1\ndata: a\n\n")
	file := filepath.Join(t.TempDir(), "state")
	runBinary(t, exitEnded, "", "-state", file, "-once", s.URL)
	for key := range readState(t, file) {
		b, err := json.Marshal(map[string]string{key: strings.Repeat("x", 40_000)})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, b, 0o600))
	}
	_, stderr := runBinary(t, exitUsage, "", "-state", file, s.URL)
	require.Contains(t, stderr, "no header can carry")
	require.Len(t, s.seen(), 1)
}

// TestStateWithoutData: a block without data moves the position, too.
func TestStateWithoutData(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	s := serveSite(t, (*httptest.Server).Start, "id: 1\ndata: a\n\nid: 2\n\n")
	runBinary(t, exitEnded, "", "-state", file, "-once", s.URL)
	require.Equal(t, []string{"2"}, values(t, file))
	s = serveSite(t, (*httptest.Server).Start, "id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n")
	runBinary(t, exitEnded, "", "-state", file, "-n", "2", s.URL)
	require.Equal(t, []string{"2", "2"}, values(t, file), "what came after -n was not handled")
}
