package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/cmd/sse/internal/secret"
	"github.com/lastevent/sse/cmd/sse/internal/term"
)

// A narrator shows on a terminal what a recording, or a player, does.
type narrator struct {
	*command
	quiet bool
	start time.Time
	hide  func(text string) string // nil: nothing but the secrets of URLs
}

// shows reports whether there is anybody to show something to.
func (n *narrator) shows() bool { return !n.quiet && n.stderr.IsTerminal() }

// say shows a line, with the time, as much of it as fits: a wider terminal than most shows no
// more, and a narrower one cuts it.
func (n *narrator) say(color term.Color, format string, args ...any) {
	if !n.shows() {
		return
	}
	text := secret.Redact(fmt.Sprintf(format, args...), hidden)
	if n.hide != nil {
		text = n.hide(text)
	}
	line := fmt.Sprintf("%8.3fs  %s", time.Since(n.start).Seconds(), term.Visible(oneLine(text)))
	line = strings.TrimRight(term.Clip(line, lineWidth), " ")
	if color != "" {
		line = n.stderr.Paint(color, line)
	}
	fmt.Fprintln(n.stderr, n.stderr.Own(wrapOff)+line+n.stderr.Own(wrapOn+"\r"))
}

// maxShown is how many bytes of an event are looked at for a line: more than fit, so that no
// secret is cut where it shows.
const maxShown = 16 << 10

// event shows an event.
func (n *narrator) event(ev sse.Event) {
	id := ""
	if ev.LastEventID != "" {
		id = fmt.Sprintf(" %q", ev.LastEventID)
	}
	n.say("", "%s%s: %s", ev.Type, id, ev.Data[:min(len(ev.Data), maxShown)])
}

// trace shows connections.
func (n *narrator) trace() *sse.Trace {
	return &sse.Trace{
		Open: func(resp *http.Response) { n.say("", "open, %s", resp.Proto) },
		Disconnect: func(info sse.DisconnectInfo) {
			if info.Reconnect {
				n.say(term.Yellow, "drop: %s; again in %s%s", brief(info.Err), info.Delay.Round(time.Millisecond), resuming(info.LastEventID))
			}
		},
	}
}
