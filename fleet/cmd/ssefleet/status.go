package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lastevent/sse/fleet"
)

// printStatus prints a table of the streams, and one of the members.
func printStatus(ctx context.Context, o *options, stdout io.Writer) error {
	conn, err := connect(o)
	if err != nil {
		return err
	}
	defer conn.Close()
	kv, err := bucket(ctx, conn, o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	status, err := fleet.ReadStatus(ctx, kv)
	if err != nil {
		return err
	}
	now := time.Now()
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STREAM\tREAD BY\tPOSITION\tCOMMITTED\tLAG")
	owned := make(map[string]int)
	for _, s := range status.Streams {
		reader := s.Member
		switch {
		case s.Ended:
			reader = "(ended)"
		case reader == "":
			reader = "(nobody)"
		}
		owned[s.Member]++
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.Stream, reader, s.LastEventID, ago(now, s.Committed), s.Lag.Round(10*time.Microsecond))
	}
	fmt.Fprintln(table, "\nMEMBER\tSTREAMS\tRENEWED\t")
	for _, m := range status.Members {
		leaving := ""
		if m.Leaving {
			leaving = "leaving"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", m.Member, owned[m.Member], ago(now, m.Renewed), leaving)
	}
	return table.Flush()
}

// ago says how long before now t was. The clocks are two: NATS's and this machine's.
func ago(now, t time.Time) string {
	return max(now.Sub(t), 0).Round(100*time.Millisecond).String() + " ago"
}
