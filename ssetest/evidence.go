package ssetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lastevent/sse"
)

// What a failure shows at most.
const (
	maxLines      = 100 // with the first line, which the caller writes
	maxEventLines = 30  // of them
	maxLine       = 512 // bytes
	maxGroup      = 8   // lines that are recognized as repeated together
)

// evidence is what a failure shows: the events, and what went over the wire. Lines that
// are repeated are shown once.
func evidence(t testing.TB, got []sse.Event) string {
	var events []string
	for _, ev := range got {
		events = append(events, "  "+describe(ev))
	}
	if len(events) == 0 {
		events = []string{"  none"}
	}
	lines := append([]string{"events:"}, limit(fold(events, "  "), maxEventLines)...)
	servers := serversOf(t)
	if len(servers) > 0 {
		var wire []string
		for _, s := range servers {
			wire = append(wire, s.transcript()...)
		}
		lines = append(lines, "connections:")
		lines = append(lines, limit(wire, maxLines-1-len(lines))...)
	}
	return strings.Join(shorten(lines), "\n") + "\n"
}

// shorten cuts long lines, in place.
func shorten(lines []string) []string {
	for i, line := range lines {
		if len(line) > maxLine {
			lines[i] = fmt.Sprintf("%s… and %d bytes", strings.ToValidUTF8(line[:maxLine], ""), len(line)-maxLine)
		}
	}
	return lines
}

func describe(ev sse.Event) string {
	return fmt.Sprintf("event %s %q id %q", ev.Type, ev.Data, ev.LastEventID)
}

// transcript shows what went over the wire, in lines.
func (s *Server) transcript() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, x := range s.exchanges {
		line := "  " + round(x.at) + ": " + x.request.Method + " " + x.request.URL.RequestURI()
		if id, ok := x.request.Header["Last-Event-Id"]; ok {
			line += ", Last-Event-ID: " + strings.Join(id, ", ")
		}
		if x.status != "" {
			line += ": " + x.status
		}
		lines = append(lines, line)
		var body []string
		for text := range strings.Lines(string(x.body)) {
			body = append(body, "    | "+strings.TrimRight(text, "\r\n"))
		}
		lines = append(lines, fold(body, "    ")...)
		switch {
		case x.more > 0:
			lines = append(lines, fmt.Sprintf("    (and %d bytes)", x.more))
		case x.err == nil && unfinished(x):
			lines = append(lines, "    (the event is not finished: no empty line follows it)")
		}
		if x.err != nil {
			lines = append(lines, "    "+round(x.endedAt)+": "+x.err.Error())
		}
	}
	if len(lines) == 0 {
		return []string{"  nothing"}
	}
	return lines
}

// unfinished reports whether what was read of x ends in the middle of an event.
func unfinished(x *exchange) bool {
	return strings.HasPrefix(x.status, "200 ") && inEvent(string(x.body))
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// inEvent reports whether a stream's text ends in the middle of an event.
func inEvent(text string) bool {
	text = lineEnds.Replace(text)
	block := text[strings.LastIndex("\n\n"+text, "\n\n"):]
	for line := range strings.Lines(block) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), ":"); slices.Contains([]string{"data", "event", "id"}, name) {
			return true
		}
	}
	return false
}

// fold shows lines that are repeated once, and how often they came, also where several
// lines are repeated together: an event, or a comment and its empty line.
func fold(lines []string, indent string) []string {
	var folded []string
	for i := 0; i < len(lines); {
		size, times := 1, 1
		for n := 1; n <= maxGroup && i+n <= len(lines); n++ {
			end := i + n
			for end+n <= len(lines) && slices.Equal(lines[i:i+n], lines[end:end+n]) {
				end += n
			}
			if count := (end - i) / n; count > 1 && count*n > times*size {
				size, times = n, count
			}
		}
		folded = append(folded, lines[i:i+size]...)
		switch {
		case times == 1:
		case size == 1:
			folded[len(folded)-1] += fmt.Sprintf("  (%d times)", times)
		default:
			folded = append(folded, fmt.Sprintf("%s(these %d lines %d times)", indent, size, times))
		}
		i += size * times
	}
	return folded
}

// limit leaves out lines from the middle if there are more than n.
func limit(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	first := n / 2
	last := n - first - 1
	left := fmt.Sprintf("  … %d lines are left out …", len(lines)-first-last)
	return slices.Concat(lines[:first], []string{left}, lines[len(lines)-last:])
}

func round(d time.Duration) string { return d.Round(time.Millisecond).String() }
