package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/term"
)

const (
	drawEvery = 250 * time.Millisecond
	lineWidth = 79 // columns of a narrow terminal, less one that would wrap
	nameWidth = 24 // of them for a URL's name
	maxLines  = 10 // of a terminal, for as many URLs
)

// stats are the figures of a stream.
type stats struct {
	events      int
	bytes       int64
	lastID      string
	connections int
	drops       int
	status      string

	before int // events when the figures were drawn the last time
	rate   float64
}

// keepStats shows the figures for -stats, live on a terminal, until the function that it
// returns is called, which prints a summary in their place.
func (t *tail) keepStats() (end func()) {
	if !t.stats {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		if !t.stderr.IsTerminal() || t.raw && t.stdout.IsTerminal() { // which may be in the middle of a line
			return
		}
		ticker := time.NewTicker(drawEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				t.draw()
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		t.mu.Lock()
		defer t.mu.Unlock()
		t.erase()
		t.block = ""
		took := time.Since(t.start)
		var total stats
		for _, s := range t.streams {
			total.add(&s.stats)
			if len(t.streams) > 1 {
				fmt.Fprintln(t.stderr, s.name+": "+s.stats.summary(took))
			}
		}
		if len(t.streams) > 1 {
			fmt.Fprint(t.stderr, "in all: ")
			total.lastID = ""
		}
		fmt.Fprintln(t.stderr, total.summary(took))
	}
}

// draw draws the figures of now: a line for each URL, or for as many as there is room for.
func (t *tail) draw() {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	var rest stats
	names := t.columnOfNames()
	for i, s := range t.streams {
		s.stats.measure()
		switch line := s.stats.line(); {
		case len(t.streams) == 1:
			lines = append(lines, line)
		case i < maxLines-1 || len(t.streams) == maxLines:
			lines = append(lines, names[i]+line)
		default:
			rest.add(&s.stats)
		}
	}
	if n := len(t.streams) - len(lines); n > 0 {
		rest.lastID, rest.status = "", ""
		lines = append(lines, fmt.Sprintf("%d more: ", n)+rest.line())
	}
	for i, line := range lines {
		lines[i] = term.Clip(line, lineWidth)
	}
	t.erase()
	t.block = strings.Join(lines, "\n")
	t.redraw()
}

// columnOfNames returns the names of the streams, cut and filled up to the same width.
func (t *tail) columnOfNames() (names []string) {
	width := 0
	for _, s := range t.streams {
		names = append(names, term.Clip(term.Visible(s.name), nameWidth))
		width = max(width, term.Width(names[len(names)-1]))
	}
	for i, name := range names {
		names[i] += strings.Repeat(" ", width-term.Width(name)+2)
	}
	return names
}

// Lines that are wider than the terminal are cut by it: autowrap is off meanwhile.
const (
	wrapOff = "\x1b[?7l"
	wrapOn  = "\x1b[?7h"
	lineUp  = "\x1b[A"
	erase   = "\r\x1b[J" // to the end of the screen
)

// erase removes the figures from the terminal. The caller holds the lock, as for redraw and
// aside.
func (t *tail) erase() {
	if t.block != "" {
		fmt.Fprint(t.stderr, t.stderr.Own(strings.Repeat(lineUp, strings.Count(t.block, "\n"))+erase))
	}
}

func (t *tail) redraw() {
	if t.block != "" {
		fmt.Fprint(t.stderr, t.stderr.Own(wrapOff)+t.block+t.stderr.Own(wrapOn+"\r")) // so that ^C wraps no line
	}
}

// aside calls show, which may print lines on stdout or stderr, and draws the figures after
// them.
func (t *tail) aside(show func()) {
	t.erase()
	show()
	t.redraw()
}

func (f *stats) add(other *stats) {
	f.events += other.events
	f.bytes += other.bytes
	f.connections += other.connections
	f.drops += other.drops
	f.rate += other.rate
	f.lastID = other.lastID
}

// measure updates the rate, which follows the last second or so.
func (f *stats) measure() {
	f.rate += (float64(f.events-f.before)/drawEvery.Seconds() - f.rate) / 4
	f.before = f.events
}

// line returns the figures of now.
func (f *stats) line() string {
	line := fmt.Sprintf("%s, %s, %.0f/s; %s", count(f.events, "event"), size(f.bytes), f.rate, count(f.connections, "connection"))
	if f.status != "" {
		line += "; " + f.status
	}
	return line + f.last()
}

// summary returns the figures of a run that is over.
func (f *stats) summary(took time.Duration) string {
	rate := float64(f.events) / max(took.Seconds(), 1e-3)
	return fmt.Sprintf("%s, %s in %s, %.1f/s; %s, %s%s", count(f.events, "event"), size(f.bytes), took.Round(time.Millisecond), rate,
		count(f.connections, "connection"), count(f.drops, "drop"), f.last())
}

// last returns the last ID, in a form that has a width: a server chose it.
func (f *stats) last() string {
	if f.lastID == "" {
		return ""
	}
	return "; last ID " + term.Clip(term.Visible(f.lastID), lineWidth)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// size returns bytes in a unit that suits them.
func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, units := float64(n), "kMGTPE"
	unit := -1
	for value >= 999.5 {
		value /= 1000
		unit++
	}
	return fmt.Sprintf("%.3g %cB", value, units[unit])
}
