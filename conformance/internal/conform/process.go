package conform

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// drain is how long the last output of a process that has ended is waited for. A child that
// it has left behind may keep the pipe open.
const drain = 500 * time.Millisecond

// A process is a command under test that is running.
type process struct {
	cmd    *exec.Cmd
	stderr tail
	ended  chan struct{} // closed when it has ended and its output has been read
	status string        // of its end
}

// startProcess starts a command, and calls line for each line of its output, which is valid
// during the call, and once for an output that breaks the limits.
func startProcess(command []string, stdin io.Reader, line func([]byte), bad func(string)) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(command[0], command[1:]...), ended: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, w, &p.stderr
	p.cmd.WaitDelay = drain
	ownGroup(p.cmd)
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		sc := bufio.NewScanner(r)
		sc.Buffer(nil, maxLine)
		for sc.Scan() {
			line(sc.Bytes())
		}
		if errors.Is(sc.Err(), bufio.ErrTooLong) {
			bad(fmt.Sprintf("a line of its output is longer than %d bytes", maxLine))
		}
	}()
	go func() {
		_ = p.cmd.Wait() // ProcessState has the result
		killGroup(p.cmd) // what it has left behind
		select {
		case <-read:
		case <-time.After(drain):
		}
		r.Close()
		<-read
		p.status = p.cmd.ProcessState.String()
		close(p.ended)
	}()
	return p, nil
}

// kill kills the process and all that it has started, and waits for its end.
func (p *process) kill() {
	select {
	case <-p.ended: // its number may be another process's by now
	default:
		killGroup(p.cmd)
		<-p.ended
	}
}

// A tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b[max(0, len(b)-maxTail):]...)
	t.b = append([]byte(nil), t.b[max(0, len(t.b)-maxTail):]...)
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// A Command is a client that is started once for each scenario, with the URL as its last
// argument.
type Command []string

// Start starts the command.
func (c Command) Start(url string, _ []string, see func(Record)) (func(), error) {
	m := &meter{see: see}
	p, err := startProcess(append(append([]string{}, c...), url), nil, m.line, m.bad)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-p.ended
		m.exit(p)
	}()
	return func() { p.kill(); <-done }, nil
}

// Close does nothing: each process ends with its scenario.
func (Command) Close() {}

// A meter turns the output of a process into records, within the limits.
type meter struct {
	see   func(Record)
	mu    sync.Mutex
	lines int
	bytes int
	over  bool // a limit was exceeded: the rest is ignored
}

// line takes a line of the output.
func (m *meter) line(b []byte) {
	r, _, err := parseRecord(b)
	if err != nil {
		r = Record{Bad: fmt.Sprintf("a line of its output: %v: %.200q", err, b)}
	}
	m.record(r, len(b))
}

// record takes a record that took size bytes of the output.
func (m *meter) record(r Record, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return
	}
	m.lines++
	m.bytes += size
	if m.lines > maxRecords || m.bytes > maxOutput {
		m.over = true
		r = Record{Bad: fmt.Sprintf("it prints more than %d lines or %d bytes", maxRecords, maxOutput)}
	}
	m.see(r)
}

func (m *meter) bad(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over = true
	m.see(Record{Bad: what})
}

func (m *meter) exit(p *process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	how := p.status
	if text := p.stderr.String(); text != "" {
		how += ", after it wrote to its standard error: " + text
	}
	m.see(Record{Exit: how})
}
