// Package program runs the servers and proxies that are programs of their own.
package program

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Program is a process that listens on an address.
type Program struct {
	addr string
	name string
	args []string

	mu     sync.Mutex
	output bytes.Buffer
	cmd    *exec.Cmd
	done   chan struct{}
}

// Find returns where the first of names is installed, or "". Debian keeps some servers
// where no user's PATH leads.
func Find(names ...string) string {
	for _, name := range names {
		for _, path := range []string{name, "/usr/sbin/" + name} {
			if found, err := exec.LookPath(path); err == nil {
				return found
			}
		}
	}
	return ""
}

// Version returns the first match of what command prints of its version.
func Version(t testing.TB, find func(string) string, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return find(string(out))
}

// FreePort returns a TCP port of 127.0.0.1 that nobody listened on a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// Start starts a program, and returns when it listens on port. It is killed when the
// test ends; where that has failed, the end of its output is shown.
func Start(t testing.TB, port int, name string, args ...string) *Program {
	t.Helper()
	p := &Program{addr: fmt.Sprintf("127.0.0.1:%d", port), name: name, args: args}
	p.Restart(t)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			out := p.output.Bytes()
			t.Logf("the last words of %s:\n%s", name, out[max(0, len(out)-2000):])
		}
	})
	return p
}

func (p *Program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

// Restart starts the program, which is killed if it is running, and returns when it listens.
func (p *Program) Restart(t testing.TB) {
	t.Helper()
	p.Relaunch(t)
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		select {
		case <-p.done:
			t.Fatalf("%s has ended:\n%s", p.name, p.output.Bytes())
		default:
		}
		if conn, err := net.Dial("tcp", p.addr); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("%s does not listen on %s:\n%s", p.name, p.addr, p.output.Bytes())
}

// Relaunch is Restart without waiting: where thousands of clients want to connect, one more cannot show that the
// program listens.
func (p *Program) Relaunch(t testing.TB) {
	t.Helper()
	p.Kill()
	p.cmd = exec.Command(p.name, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.Env = append(os.Environ(), "HOME="+os.TempDir())
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its workers are to die with it
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(p.cmd, p.done)
}

// Kill kills the program and all that it has started, and waits for its end.
func (p *Program) Kill() {
	if p.cmd == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
	p.cmd = nil
}

// Memory returns the resident memory of the program and all that it has started, in bytes.
func (p *Program) Memory(t testing.TB) (sum int64) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("the memory of a process is read from /proc")
	}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may have anything in it. After it come the state, the parent, the group; and
		// the resident pages in place 22.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) > 21 && fields[2] == strconv.Itoa(p.cmd.Process.Pid) {
			pages, _ := strconv.ParseInt(fields[21], 10, 64)
			sum += pages * int64(os.Getpagesize())
		}
	}
	return sum
}
