package conform

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse/internal/suite"
)

// A seen is a request of the client.
type seen struct {
	method, path string
	header       http.Header
	wait         time.Duration // since the response before it ended; negative: it has not ended
}

// A play is one scenario that is being played to a client: what the server has seen, and what
// the client has reported.
type play struct {
	c      *suite.Case
	script suite.Script
	slow   float64       // multiplies all times
	dir    string        // URL of its directory
	over   chan struct{} // closed when the server is to let go of the client
	news   chan struct{} // has one element when there is something new

	mu       sync.Mutex
	requests []seen
	ended    time.Time // when the last response did; zero: it has not
	gone     int       // responses that have ended, and whose connection the client has left
	events   []Record
	opened   int
	closed   bool
	exit     string
	bad      string
	late     bool      // a request came later than it should: a busy machine can cause that, too
	blame    string    // the clause that a fault breaks, if it is not the scenario's
	last     time.Time // when the client last got further; errors and requests after the last response may come for ever, and do not count
}

func newPlay(c *suite.Case, slow float64) *play {
	return &play{c: c, slow: slow, script: c.Script(), over: make(chan struct{}), news: make(chan struct{}, 1), last: time.Now()}
}

// change changes the play, and wakes its judge.
func (p *play) change(f func()) {
	p.mu.Lock()
	f()
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// see takes what the client reports.
func (p *play) see(r Record) {
	p.change(func() {
		switch {
		case r.Event != nil:
			p.events, p.last = append(p.events, r), time.Now()
		case r.Open:
			p.opened++
		case r.Closed && !p.closed:
			p.closed, p.last = true, time.Now()
		case r.Exit != "":
			p.exit = r.Exit
		case r.Bad != "" && p.bad == "":
			p.bad = r.Bad
		}
	})
}

// serve answers a request of the client.
func (p *play) serve(w http.ResponseWriter, r *http.Request, path string) {
	var n int
	now := time.Now()
	select {
	case <-p.over:
		w.WriteHeader(http.StatusNoContent)
		return
	default:
	}
	p.change(func() {
		n = len(p.requests)
		s := seen{method: r.Method, path: path, header: r.Header, wait: -1}
		if n > 0 && !p.ended.IsZero() {
			s.wait = now.Sub(p.ended)
		}
		p.ended = time.Time{}
		p.requests = append(p.requests, s)
		if n < len(p.script.Responses) {
			p.last = now
		}
	})
	if n >= len(p.script.Responses) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, &p.script.Responses[n], p.dir, p.slow, p.over, func() {
		p.change(func() { p.ended, p.last = time.Now(), time.Now() })
	})
	p.change(func() { p.gone, p.last = p.gone+1, time.Now() })
}

// types returns the types of the scenario's events, each once, without message.
func (p *play) types() []string {
	var types []string
	known := map[string]bool{"message": true}
	for _, ev := range p.script.Events {
		if !known[ev.Type] {
			known[ev.Type] = true
			types = append(types, ev.Type)
		}
	}
	return types
}

// check returns what contradicts the script in what has happened so far, or "".
func (p *play) check() string {
	s := &p.script
	if p.bad != "" {
		return p.bad
	}
	for i, got := range p.events {
		if i >= len(s.Events) {
			return fmt.Sprintf("event %d is one too many: %s", i+1, describe(got))
		}
		want := s.Events[i]
		if got.NoID {
			want.LastEventID = ""
		}
		if *got.Event != want {
			if got.Event.Type == want.Type && got.Event.Data == want.Data {
				p.blameIDs("id-kept")
			}
			return fmt.Sprintf("event %d is %s, and not %s", i+1, describe(got), describe(Record{Event: &want, NoID: got.NoID}))
		}
	}
	for i, got := range p.requests {
		if s.Requests == nil {
			break
		}
		if i >= len(s.Requests) {
			return fmt.Sprintf("request %d is one too many", i+1)
		}
		if fault := checkRequest(&got, &s.Requests[i]); fault != "" {
			if strings.Contains(fault, "Last-Event-ID") {
				p.blameIDs("last-event-id-header")
			}
			return fmt.Sprintf("request %d %s", i+1, fault)
		}
		if limit := s.Requests[i].MaxWaitMs; limit > 0 && got.wait.Seconds()*1000 > float64(limit)*p.slow {
			p.late = true
			return fmt.Sprintf("request %d comes after %d ms, and should come within %d ms", i+1, got.wait.Milliseconds(), limit)
		}
	}
	if s.Opened >= 0 && p.opened > s.Opened {
		return "it reports that the stream has opened, for a response that fails the connection"
	}
	return ""
}

// blameIDs notes that a fault is about an ID, in a scenario that is about something else.
func (p *play) blameIDs(clause string) {
	if chapter := p.c.Chapter(); chapter != "id" && chapter != "resume" {
		p.blame = clause
	}
}

// checkRequest returns what a request does not have, or "".
func checkRequest(got *seen, want *suite.Request) string {
	if want.Method != "" && got.method != want.Method {
		return fmt.Sprintf("has the method %.200q, and not %s", got.method, want.Method)
	}
	if want.Path != "" && got.path != want.Path {
		return fmt.Sprintf("asks for %.200q, and not for %q", got.path, want.Path)
	}
	if want.LastEventID != nil {
		ids := got.header["Last-Event-Id"]
		switch id := *want.LastEventID; {
		case id == "" && ids != nil:
			return fmt.Sprintf("has the header Last-Event-ID %.200q, and there is no ID to send", ids)
		case id != "" && ids == nil:
			return fmt.Sprintf("has no Last-Event-ID, which should be %.200q", id)
		case id != "" && (len(ids) != 1 || ids[0] != id):
			return fmt.Sprintf("has the Last-Event-ID %.200q, and not %.200q", ids, id)
		}
	}
	for name, value := range want.Header {
		if values := got.header.Values(name); len(values) != 1 || values[0] != value {
			return fmt.Sprintf("has the header %s %.200q, and not %q", name, values, value)
		}
	}
	switch {
	case want.MinWaitMs > 0 && got.wait < 0:
		return "comes before the response before it has ended"
	case got.wait < time.Duration(want.MinWaitMs)*time.Millisecond && want.MinWaitMs > 0:
		return fmt.Sprintf("comes after %d ms, and should not come before %d ms", got.wait.Milliseconds(), want.MinWaitMs)
	}
	return ""
}

func describe(r Record) string {
	text := fmt.Sprintf("%q %.200q", r.Event.Type, r.Event.Data)
	if !r.NoID {
		text += fmt.Sprintf(" with the ID %.200q", r.Event.LastEventID)
	}
	return text
}
