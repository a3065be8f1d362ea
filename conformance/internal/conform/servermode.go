package conform

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// stdinTimeout is how long the client may take to read a URL, once a pipe is full of them.
const stdinTimeout = 2 * time.Second

// A ServerMode is a client that runs once, and opens each URL that it reads from its standard
// input, a line each. It names the URL in each line that it prints, unless it gets one URL
// at a time. If it ends, the next scenario starts it again.
type ServerMode struct {
	command []string

	mu     sync.Mutex
	p      *process // nil: not running
	stdin  *os.File
	meters map[string]*meter // of the scenarios that are played, by URL
}

// NewServerMode returns a client that is a command.
func NewServerMode(command []string) (*ServerMode, error) {
	s := &ServerMode{command: command, meters: make(map[string]*meter)}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s, s.start()
}

// start starts the process. The caller holds the mutex.
func (s *ServerMode) start() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	p, err := startProcess(s.command, r, s.line, s.bad)
	r.Close()
	if err != nil {
		w.Close()
		return err
	}
	s.p, s.stdin = p, w
	go func() {
		<-p.ended
		s.mu.Lock()
		defer s.mu.Unlock()
		w.Close()
		if s.p == p {
			s.p = nil
		}
		for _, m := range s.meters {
			m.exit(p)
		}
	}()
	return nil
}

// Start has the client open url.
func (s *ServerMode) Start(url string, _ []string, see func(Record)) (func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.p == nil {
		if err := s.start(); err != nil {
			return nil, err
		}
	}
	s.meters[url] = &meter{see: see}
	_ = s.stdin.SetWriteDeadline(time.Now().Add(stdinTimeout)) // where pipes have deadlines
	if _, err := fmt.Fprintln(s.stdin, url); err != nil {
		delete(s.meters, url)
		killGroup(s.p.cmd)
		return nil, fmt.Errorf("it does not read its standard input: %w", err)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.meters, url)
	}, nil
}

// line gives a line of the output to the scenario that it is of.
func (s *ServerMode) line(b []byte) {
	_, url, err := parseRecord(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.meters[url]
	switch {
	case m != nil:
		m.line(b)
	case err == nil && url != "": // a scenario that is over
	case len(s.meters) == 1:
		for _, m := range s.meters {
			m.line(b)
		}
	default:
		what := fmt.Sprintf("a line of its output names no \"url\", and several scenarios are played: %.200q", b)
		if err != nil {
			what = fmt.Sprintf("a line of its output: %v: %.200q", err, b)
		}
		for _, m := range s.meters {
			m.bad(what)
		}
	}
}

func (s *ServerMode) bad(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.meters {
		m.bad(what)
	}
}

// Close closes the client's standard input, and kills it.
func (s *ServerMode) Close() {
	s.mu.Lock()
	p := s.p
	s.mu.Unlock()
	if p != nil {
		s.stdin.Close()
		p.kill()
	}
}
