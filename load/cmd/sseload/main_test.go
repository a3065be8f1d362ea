package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var binaryDir string // which TestMain makes, and takes away

// binary is the command, built once.
var binary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(binaryDir, "sseload.exe")
	if out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	var err error
	if binaryDir, err = os.MkdirTemp("", "sseload"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(binaryDir)
	os.Exit(code)
}

// runBinary runs the binary, and requires its exit code.
func runBinary(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	file, err := binary()
	require.NoError(t, err)
	cmd := exec.Command(file, args...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(`{"from":"standard input"}`), &o, &e
	_ = cmd.Run()
	require.Equal(t, code, cmd.ProcessState.ExitCode(), "%q\n%s%s", args, &o, &e)
	return o.String(), e.String()
}

// write writes a file of a test's own, and returns its name.
func write(t *testing.T, name, text string) string {
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// A feed is a server that publishes numbered events with their times, and replays by Last-Event-ID.
type feed struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	skip     bool // the fifth event of each connection
}

const feedEvery = 20 * time.Millisecond

func serveFeed(t *testing.T) *feed {
	f := new(feed)
	start := time.Now()
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		f.mu.Lock()
		f.requests = append(f.requests, r)
		f.bodies = append(f.bodies, body.String())
		skip := f.skip
		f.mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		n := int(time.Since(start) / feedEvery)
		skipped := n + 5
		if id := r.Header.Get("Last-Event-ID"); id != "" {
			n, _ = strconv.Atoi(id)
		}
		for {
			n++
			at := start.Add(time.Duration(n) * feedEvery)
			select {
			case <-time.After(time.Until(at)):
			case <-r.Context().Done():
				return
			}
			if skip && n == skipped {
				continue
			}
			fmt.Fprintf(w, "id: %d\ndata: {\"n\":%d,\"ts\":%q}\n\n", n, n, at.Format(time.RFC3339Nano))
			if http.NewResponseController(w).Flush() != nil {
				return
			}
		}
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}
