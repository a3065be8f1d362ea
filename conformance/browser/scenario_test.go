package browser

import (
	"fmt"
	"strings"
	"time"
)

// A scenario is what a server does to one EventSource after another.
type scenario struct {
	name      string
	url       string             // "": the server's
	answers   []answer           // to the first request, the second, …; 204 to all that follow
	types     []string           // to listen to, besides "message"
	closeAt   string             // close at the first step of this kind: "open", "event" or "error"
	timed     bool               // compare how long each waits before it reconnects,
	again     []*scenario        // in the shortest of several plays, since a busy machine lengthens waits
	headers   bool               // compare what requests the standard's headers make
	maxErrors int                // close after as many, where neither side would ever end; 0: any number
	stream    []byte             // for the page: what the first answer streams
	steps     [2][]step          // seen by each side
	requests  [2][]string        // made by each side
	waits     [2][]time.Duration // between them, of each side
}

// The sides.
const (
	chromium = iota
	ours
)

var sides = [2]string{"chromium", "ours"}

// watchLimit is for one scenario; they run a hundred at a time.
const watchLimit = 20 * time.Second

// A step is something that the program behind an EventSource sees. It is also what the
// page's script sends.
type step struct {
	Kind  string // "new", "open", "error", "event", "throws", "still"
	State string // then
	Type  string // of an event, as are
	Data  string
	ID    string
}

func (s step) String() string {
	if s.Kind == "event" {
		return strings.TrimSpace(fmt.Sprintf("event %q %q id %q %s", s.Type, s.Data, s.ID, s.State))
	}
	return strings.TrimSpace(s.Kind + " " + s.State)
}

// log returns everything that a side saw and requested, line by line.
func (s *scenario) log(side int) []string {
	var lines []string
	for _, st := range s.steps[side] {
		lines = append(lines, st.String())
	}
	for i, request := range s.requests[side] {
		if s.timed && i > 0 {
			wait := s.waits[side][i-1]
			for _, play := range s.again {
				if i <= len(play.waits[side]) {
					wait = min(wait, play.waits[side][i-1])
				}
			}
			request += " after about " + about(wait)
		}
		lines = append(lines, request)
	}
	return lines
}
