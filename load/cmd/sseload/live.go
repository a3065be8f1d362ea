package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/report"
)

const eraseLine = "\r\x1b[K"

// A liveLine is the state of a run, in a line of a terminal that is written anew each second. It has
// nothing in it that a server chose.
type liveLine struct {
	w       io.Writer
	columns func() int
	planned time.Duration // 0: until a signal
	shown   bool
	drops   int64 // so far
}

func (l *liveLine) show(s load.Snapshot) {
	columns := l.columns()
	l.drops += s.Drops
	if columns == 0 {
		return
	}
	if s.Done {
		l.erase()
		return
	}
	fmt.Fprint(l.w, eraseLine+l.text(s, columns-1)) // the last column would wrap
	l.shown = true
}

func (l *liveLine) erase() {
	if l.shown {
		fmt.Fprint(l.w, eraseLine)
		l.shown = false
	}
}

// text returns as much of the state as there is room for, the most important first.
func (l *liveLine) text(s load.Snapshot, columns int) string {
	elapsed := report.Time(s.Elapsed.Truncate(time.Second))
	if l.planned > 0 {
		elapsed += " of " + report.Time(l.planned)
	}
	parts := []string{
		report.Count(s.Open) + "/" + report.Count(s.Asked) + " open",
		elapsed,
		report.Count(s.Events) + " events/s",
	}
	if s.SkewP99 > 0 {
		parts = append(parts, "skew "+report.Time(s.SkewP99)+" p99")
	}
	if l.drops > 0 {
		parts = append(parts, report.Plural(l.drops, "drop"))
	}
	if s.Lost > 0 {
		parts = append(parts, report.Count(s.Lost)+" lost")
	}
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			part = "  " + part
		}
		if utf8.RuneCountInString(b.String())+utf8.RuneCountInString(part) > columns {
			break
		}
		b.WriteString(part)
	}
	return report.Spaces(b.String())
}
