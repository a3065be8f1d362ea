package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lastevent/sse/fleet"
)

// A health is a status, and what is wrong with it. NATS keeps the record of a member that was
// killed until another member removes it: with no other member, for ever. A member
// that has not renewed its record for two TTLs is silent, whatever the record says.
type health struct {
	fleet.Status
	now    time.Time
	silent map[string]bool // members
}

func newHealth(status fleet.Status, now time.Time, ttl time.Duration) *health {
	h := &health{Status: status, now: now, silent: make(map[string]bool)}
	for _, m := range status.Members {
		if h.quiet(m, ttl) {
			h.silent[m.Member] = true
		}
	}
	for _, m := range status.Members { // a process that was started again may have the same name
		if !h.quiet(m, ttl) {
			delete(h.silent, m.Member)
		}
	}
	return h
}

func (h *health) quiet(m fleet.MemberStatus, ttl time.Duration) bool {
	return h.now.Sub(m.Renewed) > 2*ttl
}

// state is how a stream is, in a word, and whether that is as it should be.
func (h *health) state(s fleet.StreamStatus) (word string, well bool) {
	switch {
	case s.Stopped != "":
		return "stopped", false
	case s.Ended:
		return "ended", true
	case s.Unread:
		return "unread", false
	case s.Member == "":
		return "unlisted", true
	case h.silent[s.Member]:
		return "silent", false
	case !s.Connected:
		return "broken", false
	}
	return "connected", true
}

// printStatus prints the streams, and the members. Its error is errUnhealthy if a stream is
// not read, not connected, or stopped.
func printStatus(ctx context.Context, kv jetstream.KeyValue, o *options, stdout io.Writer) error {
	status, err := fleet.ReadStatus(ctx, kv)
	if err != nil {
		return err
	}
	h := newHealth(status, time.Now(), o.ttl)
	if o.json {
		b, err := encodeJSON(status)
		if err == nil {
			_, err = fmt.Fprintf(stdout, "%s\n", b)
		}
		if err != nil {
			return err
		}
	} else if err := h.print(stdout); err != nil {
		return err
	}
	for _, s := range status.Streams {
		if _, well := h.state(s); !well {
			return errUnhealthy
		}
	}
	return nil
}

func (h *health) print(stdout io.Writer) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STREAM\tREAD BY\tSTATE\tPOSITION\tLAST EVENT\tCOMMITTED\tLAG\tERROR")
	for _, s := range h.Streams {
		state, _ := h.state(s)
		problem := s.Stopped
		if state == "broken" {
			problem = s.LastError
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(s.Stream), cell(s.Member), state, cell(s.LastEventID),
			ago(h.now, s.LastEvent), ago(h.now, s.Committed), s.Lag.Round(10*time.Microsecond), printable(problem, 200))
	}
	fmt.Fprintln(table, "\nMEMBER\tSTREAMS\tLISTED\tRENEWED\t")
	for _, m := range h.Members {
		state := ""
		switch {
		case m.Leaving:
			state = "leaving"
		case h.silent[m.Member]:
			state = "silent"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", cell(m.Member), m.Streams, m.Listed, ago(h.now, m.Renewed), state)
	}
	if h.Lists > 1 {
		fmt.Fprintf(table, "\nThe members have %d different lists.\n", h.Lists)
	}
	return table.Flush()
}

// cell returns what a server or another member wrote, for a table.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return printable(s, 100)
}

// ago says how long before now t was. The clocks are two: NATS's and this machine's.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return max(now.Sub(t), 0).Round(100*time.Millisecond).String() + " ago"
}
