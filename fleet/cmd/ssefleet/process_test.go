package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what should come soon, on a machine that is busy.
const patience = 60 * time.Second

// command returns the command as a process of its own.
func command(t testing.TB, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "SSEFLEET_TEST_MAIN=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// output runs a command to its end, and returns its exit code and what it printed.
func outputOf(t testing.TB, args ...string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	cmd := command(t, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		require.IsType(t, new(exec.ExitError), err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// A process is a member.
type process struct {
	*exec.Cmd
	t      testing.TB
	events chan record // from standard output; closed at its end
	stderr log
}

// log is what a process has written to standard error so far.
type log struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts a member whose events are read.
func start(t testing.TB, args ...string) *process {
	p := &process{t: t, events: make(chan record, 100_000)}
	p.Cmd = command(t, args...)
	stdout, err := p.StdoutPipe()
	require.NoError(t, err)
	p.start()
	go func() {
		defer close(p.events)
		for in := bufio.NewReader(stdout); ; {
			text, err := in.ReadBytes('\n')
			if err != nil {
				return // a line that is not whole does not count
			}
			var r record
			if err := json.Unmarshal(text, &r); err != nil {
				r.Data = "no JSON: " + string(text)
			}
			p.events <- r
		}
	}()
	return p
}

// startOnto starts a member whose standard output is a file of the test's.
func startOnto(t testing.TB, stdout *os.File, args ...string) *process {
	p := &process{t: t, Cmd: command(t, args...)}
	p.Stdout = stdout
	p.start()
	return p
}

func (p *process) start() {
	p.Stderr = &p.stderr
	require.NoError(p.t, p.Start())
	p.t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		_ = p.Wait()
		if p.t.Failed() {
			p.t.Logf("%s:\n%s", p.Args[1:], p.stderr.String())
		}
	})
}

func (p *process) signal(sig os.Signal) { require.NoError(p.t, p.Process.Signal(sig)) }

// end waits for the process's end, and returns its exit code, -1 if it was killed.
func (p *process) end() int {
	p.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Wait() // the exit code says it
	}()
	select {
	case <-done:
		return p.ProcessState.ExitCode()
	case <-time.After(patience):
		require.Fail(p.t, "the process does not end")
		return 0
	}
}

// stop ends a member as Kubernetes does, and returns what was left of its events.
func (p *process) stop() (left []record) {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if p.events != nil {
		for r := range p.events {
			left = append(left, r)
		}
	}
	require.Zero(p.t, p.end(), "%s", p.stderr.String())
	return left
}

func (p *process) kill() {
	require.NoError(p.t, p.Process.Kill())
	_ = p.Wait() // it was killed
}

// next returns the next event.
func (p *process) next() record {
	p.t.Helper()
	select {
	case r, ok := <-p.events:
		require.True(p.t, ok, "the member has ended: %s", p.stderr.String())
		return r
	case <-time.After(patience):
		require.Fail(p.t, "no event", "%s", p.stderr.String())
		return record{}
	}
}

// logs waits until the process has logged a text.
func (p *process) logs(text string) {
	p.t.Helper()
	eventually(p.t, "a log of "+text, func() bool { return strings.Contains(p.stderr.String(), text) })
}

func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for began := time.Now(); !so(); time.Sleep(10 * time.Millisecond) {
		require.Less(t, time.Since(began), patience, what)
	}
}

// feed serves streams, each at its path, whose events are numbered from 1, up to the last
// that was published, with an ID each. It resumes them.
type feed struct {
	*httptest.Server
	mu      sync.Mutex
	last    int
	more    chan struct{}
	resumed []string // the Last-Event-ID of each request
	pad     string
}

func newFeed(t testing.TB) *feed {
	f := &feed{more: make(chan struct{})}
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

func (f *feed) publish(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last += n
	close(f.more)
	f.more = make(chan struct{})
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("Last-Event-ID")
	n, _ := strconv.Atoi(id)
	f.mu.Lock()
	f.resumed = append(f.resumed, id)
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 100\n\n")
	for {
		f.mu.Lock()
		last, more := f.last, f.more
		f.mu.Unlock()
		for ; n < last; n++ {
			fmt.Fprintf(w, "id: %d\ndata: %s%s\n\n", n+1, r.URL.Path, f.pad)
		}
		w.(http.Flusher).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// list writes a list of streams of the feed, and returns its name.
func (f *feed) list(t testing.TB, paths ...string) string {
	name := t.TempDir() + "/list"
	writeFile(t, name, f.URL+strings.Join(paths, "\n"+f.URL)+"\n")
	return name
}

func writeFile(t testing.TB, name, text string) {
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// startNATS starts a NATS server in this process, and returns it and its URL.
func startNATS(t testing.TB, opts server.Options) (*server.Server, string) {
	opts.Host, opts.JetStream, opts.NoLog, opts.NoSigs = "127.0.0.1", true, true, true
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if opts.StoreDir == "" {
		opts.StoreDir = t.TempDir()
	}
	srv, err := server.NewServer(&opts)
	require.NoError(t, err)
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	require.True(t, srv.ReadyForConnections(patience))
	return srv, srv.ClientURL()
}

func newJetStream(t testing.TB, url string, opts ...nats.Option) jetstream.JetStream {
	conn, err := nats.Connect(url, opts...)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return js
}

// freePort returns an address with a port that nobody listens on.
func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// get returns the status and the body of a page.
func get(t testing.TB, url string) (int, string) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}
