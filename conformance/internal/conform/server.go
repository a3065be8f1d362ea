package conform

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A server plays the scenarios, each below a path of its own: /7/bom/split/stream is the URL
// of the seventh scenario that was started.
type server struct {
	base string // http://127.0.0.1:port
	http *http.Server

	mu    sync.Mutex
	last  int
	plays map[string]*play // by number
}

func newServer() (*server, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{base: "http://" + ln.Addr().String(), plays: make(map[string]*play)}
	s.http = &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.http.Serve(ln) }() // until close
	return s, nil
}

func (s *server) close() { s.http.Close() }

// add gives a play its number and its directory.
func (s *server) add(p *play) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	n := strconv.Itoa(s.last)
	p.dir = fmt.Sprintf("%s/%s/%s/", s.base, n, p.c.ID)
	s.plays[n] = p
}

// cross lets a page of any origin read the responses.
const cross = "Access-Control-Allow-Origin: *"

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, value, _ := strings.Cut(cross, ": ")
	w.Header().Set(name, value)
	n, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	p := s.plays[n]
	s.mu.Unlock()
	switch {
	case r.URL.Path == "/": // for adapters that run in a browser
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>sseconform</title>")
	case p == nil:
		http.NotFound(w, r)
	case r.Method == http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Headers", "*")
	default:
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1<<20))
		p.serve(w, r, rest[strings.LastIndexByte(rest, '/')+1:])
	}
}
