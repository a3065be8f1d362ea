package main

import (
	"fmt"
	"time"
)

const (
	lineEvery = 250 * time.Millisecond
	lineWidth = 79 // columns of a narrow terminal, less one that would wrap
)

// stats are the figures of all streams together.
type stats struct {
	start       time.Time
	events      int
	bytes       int64
	lastID      string
	connections int
	drops       int
	status      string // of the stream that last changed its own

	before int // events at the last line, and before it
	rate   float64
}

// keepLine draws the line of -stats until the function that it returns is called, which
// prints the summary in its place.
func (t *tail) keepLine() (end func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		if !t.live {
			return
		}
		ticker := time.NewTicker(lineEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				t.drawLine()
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
		if t.line != "" {
			fmt.Fprint(t.stderr, eraseLine)
			t.line = ""
		}
		fmt.Fprintln(t.stderr, t.stats.summary(time.Since(t.stats.start)))
	}
}

func (t *tail) drawLine() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line = t.stats.line()
	fmt.Fprint(t.stderr, eraseLine, t.line)
}

// line returns the figures of now, on one line.
func (s *stats) line() string {
	// The rate follows the last second or so.
	s.rate += (float64(s.events-s.before)/lineEvery.Seconds() - s.rate) / 4
	s.before = s.events
	line := fmt.Sprintf("%s, %s, %.0f/s; %s; %s%s", count(s.events, "event"), size(s.bytes), s.rate,
		count(s.connections, "connection"), s.status, s.last())
	if r := []rune(line); len(r) > lineWidth {
		line = string(r[:lineWidth-1]) + "…"
	}
	return line
}

// summary returns the figures of a run that is over.
func (s *stats) summary(took time.Duration) string {
	rate := float64(s.events) / max(took.Seconds(), 1e-3)
	return fmt.Sprintf("%s, %s in %s, %.1f/s; %s, %s%s", count(s.events, "event"), size(s.bytes), took.Round(time.Millisecond), rate,
		count(s.connections, "connection"), count(s.drops, "drop"), s.last())
}

func (s *stats) last() string {
	if s.lastID == "" {
		return ""
	}
	return "; last ID " + s.lastID
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// size tells bytes in a unit that suits them.
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
