package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An answer is what the server does with one request.
type answer func(w http.ResponseWriter, r *http.Request)

// server plays the scenarios, to each side on its own.
type server struct {
	*httptest.Server
	scenarios []*scenario

	mu    sync.Mutex
	ended map[*[]string]time.Time // when the last answer to a side did
}

func newServer(t *testing.T, scenarios []*scenario) *server {
	s := &server{scenarios: scenarios, ended: make(map[*[]string]time.Time)}
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>EventSource</title>")
	})
	for side, name := range sides {
		mux.HandleFunc("/"+name+"/{n}/{rest...}", func(w http.ResponseWriter, r *http.Request) { s.serve(side, w, r) })
	}
	s.Server = httptest.NewServer(mux)
	// A connection that served before may be tried twice, unseen, by either side's transport.
	s.Config.SetKeepAlivesEnabled(false)
	t.Cleanup(s.Close)
	return s
}

// url returns where a side finds the scenario of number n.
func (s *server) url(side, n int) string {
	if s.scenarios[n].url != "" {
		return s.scenarios[n].url
	}
	return fmt.Sprintf("%s/%s/%d/", s.URL, sides[side], n)
}

func (s *server) serve(side int, w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n >= len(s.scenarios) {
		http.NotFound(w, r)
		return
	}
	sc := s.scenarios[n]
	requests := &sc.requests[side]
	s.mu.Lock()
	seen := fmt.Sprintf("request %q", "/"+r.PathValue("rest"))
	if id, ok := r.Header["Last-Event-Id"]; ok {
		seen += fmt.Sprintf(" after %q", id)
	}
	if sc.headers {
		for _, name := range []string{"Accept", "Cache-Control", "Pragma", "Accept-Encoding"} {
			seen += fmt.Sprintf(" %s %q", name, r.Header[name])
		}
	}
	count := len(*requests)
	if count > 0 {
		var wait time.Duration // none, if the last answer has not ended yet
		if last, ok := s.ended[requests]; ok {
			wait = time.Since(last)
		}
		sc.waits[side] = append(sc.waits[side], wait)
		delete(s.ended, requests)
	}
	*requests = append(*requests, seen)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended[requests] = time.Now()
	}()
	if count >= len(sc.answers) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	sc.answers[count](w, r)
}

// about returns which of the waits that the scenarios can cause this one is. No side waits
// less than it should, and a busy machine may take most of a second more.
func about(d time.Duration) string {
	is := "0.05 s"
	for _, wait := range []float64{1, 2, 3, 6} {
		if d.Seconds() > wait-0.1 {
			is = fmt.Sprintf("%g s", wait)
		}
	}
	return is
}

// stream answers with an event stream of these bytes, and ends.
func stream(body string) answer { return media("text/event-stream", body) }

// media answers 200 with a Content-Type, whatever it is; none at all for "-".
func media(contentType, body string) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		if contentType == "-" {
			w.Header()["Content-Type"] = nil // net/http would look at the body for one
		}
		fmt.Fprint(w, body)
	}
}

// status answers with a status and an event that must not come out.
func status(code int, header ...string) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; i < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		w.WriteHeader(code)
		if code >= 200 && code != http.StatusNoContent && code != http.StatusNotModified && code != http.StatusResetContent {
			fmt.Fprint(w, "data: of "+strconv.Itoa(code)+"\n\n")
		}
	}
}

// pause separates the parts of a raw response: the next one comes a little later.
const pause = "<pause>"

// raw writes these bytes in place of a response, and closes the connection, with a reset or
// without.
func raw(response string, reset bool) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		nc, buf, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer nc.Close()
		for i, part := range strings.Split(response, pause) {
			if i > 0 {
				time.Sleep(200 * time.Millisecond)
			}
			_, _ = buf.WriteString(strings.ReplaceAll(part, "\n", "\r\n"))
			_ = buf.Flush()
		}
		if lingerer, ok := nc.(interface{ SetLinger(int) error }); ok && reset {
			time.Sleep(50 * time.Millisecond) // so that the client reads the bytes before the reset
			_ = lingerer.SetLinger(0)
		}
	}
}
