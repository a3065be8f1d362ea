package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/lastevent/sse/fleet"
)

// commandTime bounds a command: a bucket may have many streams.
const commandTime = time.Minute

// runCommand does what is not to be a member.
func runCommand(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	nats, err := openCluster(ctx, o, newLogger(stderr, "text", false))
	if err != nil {
		return err
	}
	defer nats.close()
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	switch o.command {
	case "status":
		return printStatus(ctx, nats.kv, o, stdout)
	case "position get":
		p, err := fleet.ReadPosition(ctx, nats.kv, o.args[0])
		if err != nil {
			return err
		}
		return printPositions(stdout, p)
	case "position export":
		all, err := fleet.Positions(ctx, nats.kv)
		if err != nil {
			return err
		}
		return printPositions(stdout, all...)
	case "position set":
		return fleet.SetPosition(ctx, nats.kv, o.args[0], o.args[1])
	case "position reset":
		return fleet.ResetPosition(ctx, nats.kv, o.args[0])
	case "reopen":
		return fleet.Reopen(ctx, nats.kv, o.args[0])
	default:
		return fleet.Forget(ctx, nats.kv, o.args[0])
	}
}

// printPositions prints a JSON object a line.
func printPositions(w io.Writer, positions ...fleet.Position) error {
	for _, p := range positions {
		line, err := encodeJSON(p)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}
