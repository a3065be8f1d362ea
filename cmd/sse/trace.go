package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/cmd/sse/internal/secret"
	"github.com/lastevent/sse/cmd/sse/internal/term"
)

// trace counts what a stream does for -stats, and shows it on stderr for -v, in curl's
// manner: > a request's header, < a response's, | a refusal's body, : comments, ? lines that
// are no field, ! drops, * all else.
func (s *stream) trace() *sse.Trace {
	tr := &sse.Trace{
		Connect: func(*http.Request) {
			s.count(func(f *stats) { f.connections++; f.status = "connecting" })
		},
		Open: func(*http.Response) {
			s.count(func(f *stats) { f.status = "open" })
			s.say("*", "open")
		},
		Disconnect: func(info sse.DisconnectInfo) {
			s.count(func(f *stats) {
				f.status = "ended"
				if info.Reconnect {
					f.drops++
					f.status = "waiting"
				}
			})
			if info.Err != nil { // else the last event may count as printed, but not yet as handled
				s.state.note(s.entry, info.LastEventID)
			}
			switch {
			case info.Reconnect:
				s.say("!", "drop: %s; again in %s%s", brief(info.Err), info.Delay.Round(time.Millisecond), resuming(info.LastEventID))
			case info.Err != nil:
				s.say("*", "end: %s", brief(info.Err))
			default:
				s.say("*", "end")
			}
		},
	}
	if s.verbose {
		tr.Comment = func(text string) { s.say(":", "%s", strings.TrimPrefix(text, " ")) }
		tr.Unknown = func(line string) { s.say("?", "%s", line) }
	}
	return tr
}

// brief returns the text of an error without what -v has shown already.
func brief(err error) string {
	if refusal := (*sse.ResponseError)(nil); errors.As(err, &refusal) {
		return fmt.Sprintf("refused with %d", refusal.StatusCode)
	}
	return strings.TrimPrefix(err.Error(), "sse: ")
}

func (s *stream) count(f func(*stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

// newHTTPClient returns the client of a stream, which shows for -v what goes over the wire,
// redirects and refusals included.
func (s *stream) newHTTPClient() *http.Client {
	if !s.verbose {
		return &http.Client{Transport: s.transport}
	}
	return &http.Client{Transport: &verboseTransport{s.transport, s}}
}

type verboseTransport struct {
	*http.Transport // with its CloseIdleConnections
	stream          *stream
}

func (t *verboseTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	s := t.stream
	s.say("*", "connect %s %s%s", req.Method, req.URL, resuming(req.Header.Get("Last-Event-ID")))
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteHeaderField: func(name string, values []string) { s.sayHeader(">", name, values) },
	})
	resp, err := t.Transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	s.say("<", "%s %s", resp.Proto, resp.Status)
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		s.sayHeader("<", name, resp.Header[name])
	}
	return resp, nil
}

func (s *stream) sayHeader(mark, name string, values []string) {
	for _, value := range values {
		if secret.IsName(name) {
			value = hidden
		}
		s.say(mark, "%s: %s", name, value)
	}
}

// say prints a line for -v.
func (s *stream) say(mark, format string, args ...any) {
	if !s.verbose {
		return
	}
	line := mark + " " + oneLine(secret.Redact(fmt.Sprintf(format, args...), hidden))
	if name := s.label(s.source); name != "" {
		line = name + " " + line
	}
	color := term.Faint
	if mark == "!" {
		color = term.Yellow
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aside(func() { fmt.Fprintln(s.stderr, s.stderr.Paint(color, strings.TrimRight(line, " "))) })
}

func resuming(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf(" after %q", id)
}
