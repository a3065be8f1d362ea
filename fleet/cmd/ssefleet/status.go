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

// printStatus prints the streams, and the members. Its error is errUnhealthy if a stream is
// not read, not connected, or stopped.
func printStatus(ctx context.Context, kv jetstream.KeyValue, asJSON bool, stdout io.Writer) error {
	status, err := fleet.ReadStatus(ctx, kv)
	if err != nil {
		return err
	}
	if asJSON {
		b, err := encodeJSON(status)
		if err == nil {
			_, err = fmt.Fprintf(stdout, "%s\n", b)
		}
		if err != nil {
			return err
		}
	} else if err := printTables(status, time.Now(), stdout); err != nil {
		return err
	}
	for _, s := range status.Streams {
		if state(s) != "connected" && state(s) != "ended" && state(s) != "unlisted" {
			return errUnhealthy
		}
	}
	return nil
}

// state is how a stream is, in a word.
func state(s fleet.StreamStatus) string {
	switch {
	case s.Stopped != "":
		return "stopped"
	case s.Ended:
		return "ended"
	case s.Unread:
		return "unread"
	case s.Member == "":
		return "unlisted"
	case !s.Connected:
		return "broken"
	}
	return "connected"
}

func printTables(status fleet.Status, now time.Time, stdout io.Writer) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STREAM\tREAD BY\tSTATE\tPOSITION\tLAST EVENT\tCOMMITTED\tLAG\tERROR")
	for _, s := range status.Streams {
		problem := s.Stopped
		if problem == "" && state(s) == "broken" {
			problem = s.LastError
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(s.Stream), cell(s.Member), state(s), cell(s.LastEventID),
			ago(now, s.LastEvent), ago(now, s.Committed), s.Lag.Round(10*time.Microsecond), printable(problem, 200))
	}
	fmt.Fprintln(table, "\nMEMBER\tSTREAMS\tLISTED\tRENEWED\t")
	for _, m := range status.Members {
		leaving := ""
		if m.Leaving {
			leaving = "leaving"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", cell(m.Member), m.Streams, m.Listed, ago(now, m.Renewed), leaving)
	}
	if status.Lists > 1 {
		fmt.Fprintf(table, "\nThe members have %d different lists.\n", status.Lists)
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
