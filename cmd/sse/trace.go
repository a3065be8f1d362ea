package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lastevent/sse"
)

// trace counts what a stream does for -stats, and tells it on stderr for -v, in curl's
// manner: > the request's header, < the response's, : comments, ! drops, * all else.
func (t *tail) trace(src source) *sse.Trace {
	tr := &sse.Trace{
		Connect: func(r *http.Request) {
			t.count(func(s *stats) { s.connections++; s.status = "connecting" })
			t.say(src, "*", "connect %s %s%s", r.Method, r.URL.Redacted(), resuming(r.Header.Get("Last-Event-ID")))
			t.sayHeader(src, ">", r.Header)
		},
		Open: func(r *http.Response) {
			t.count(func(s *stats) { s.status = "open" })
			t.say(src, "*", "open, %s %s", r.Proto, r.Status)
			t.sayHeader(src, "<", r.Header)
		},
		Disconnect: func(info sse.DisconnectInfo) {
			t.count(func(s *stats) {
				s.status = "ended"
				if info.Reconnect {
					s.drops++
					s.status = "waiting"
				}
			})
			switch {
			case info.Reconnect:
				t.say(src, "!", "drop: %v; again in %s%s", info.Err, info.Delay.Round(time.Millisecond), resuming(info.LastEventID))
			case info.Err != nil:
				t.say(src, "*", "end: %v", info.Err)
			default:
				t.say(src, "*", "end")
			}
		},
	}
	if t.verbose {
		tr.Comment = func(text string) { t.say(src, ":", "%s", strings.TrimPrefix(text, " ")) }
	}
	return tr
}

func (t *tail) count(f func(*stats)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.stats)
}

// say prints a line for -v.
func (t *tail) say(src source, mark, format string, args ...any) {
	if !t.verbose {
		return
	}
	line := mark + " " + fmt.Sprintf(format, args...)
	if len(t.sources) > 1 {
		line = src.name + " " + line
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.faint:
	case mark == "!":
		line = yellow + line + plain
	default:
		line = faint + line + plain
	}
	_ = t.print(t.stderr, []byte(line+"\n")) // if nobody reads it, nobody minds
}

// secret are the headers whose values -v does not show: its output is for showing around.
var secret = []string{"Authorization", "Cookie", "Set-Cookie"}

func (t *tail) sayHeader(src source, mark string, h http.Header) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			if slices.Contains(secret, name) {
				value = "(hidden)"
			}
			t.say(src, mark, "%s: %s", name, value)
		}
	}
}

func resuming(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf(" after %q", id)
}
