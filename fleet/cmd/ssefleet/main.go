// Command ssefleet runs a member of a fleet: it shares the streams of a list with all other
// members, and prints their events as JSON lines. See the help page.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/fleet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "ssefleet: %v (ssefleet -h for help)\n", err)
		return 2
	case o.status:
		err = printStatus(ctx, o, stdout)
	default:
		err = member(ctx, o, stdin, stdout, stderr)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "ssefleet:", err)
		return 1
	}
	return 0
}

// member takes part until ctx is done, or nobody reads its output.
func member(ctx context.Context, o *options, stdin io.Reader, stdout, stderr io.Writer) error {
	streams := demoStreams(o)
	if !o.demo {
		var err error
		if streams, err = readList(o.list, stdin); err != nil {
			return err
		}
	}
	kv, closeNATS, err := openBucket(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer closeNATS()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if o.demo {
		go serveDemo(ctx, o)
	}
	out := &printer{out: stdout, member: o.member}
	cfg := fleet.Config{
		KV:       kv,
		Member:   o.member,
		Client:   &sse.Client{IdleTimeout: o.idle},
		LeaseTTL: o.ttl,
		Commit:   fleet.CommitPolicy{Events: o.commitEvents, Interval: o.commitInterval},
		Trace:    trace(o, stderr),
		Handle: func(_ context.Context, stream string, ev sse.Event) error {
			if err := out.print(stream, ev); err != nil {
				cancel(err)
				return err
			}
			return nil
		},
	}
	return fleet.Run(ctx, cfg, slices.Values(streams))
}

// readList reads the URLs of a file, or of standard input for "-": one a line; blank lines and
// those that begin with # are left out.
func readList(name string, stdin io.Reader) ([]string, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	var urls []string
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			urls = append(urls, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(urls) == 0 {
		return nil, fmt.Errorf("%s: no URL in it", name)
	}
	return urls, nil
}

// printer writes whole lines, one at a time.
type printer struct {
	mu     sync.Mutex
	out    io.Writer
	member string
}

func (p *printer) print(stream string, ev sse.Event) error {
	line, err := json.Marshal(struct {
		Stream string `json:"stream"`
		Type   string `json:"type"`
		ID     string `json:"id"`
		Data   string `json:"data"`
		Member string `json:"member"`
	}{stream, ev.Type, ev.LastEventID, ev.Data, p.member})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err = p.out.Write(append(line, '\n'))
	return err
}

// trace tells on stderr what the member does: with -v all, without it only what goes wrong.
func trace(o *options, stderr io.Writer) *fleet.Trace {
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(stderr, "# "+format+"\n", args...)
	}
	t := &fleet.Trace{
		StreamError: func(i fleet.StreamInfo) { say("%s: %v; again in %.1fs", i.Stream, i.Err, i.Delay.Seconds()) },
		Released: func(i fleet.StreamInfo) {
			switch {
			case i.Err != nil:
				say("%s: %v", i.Stream, i.Err)
			case o.verbose && i.Ended:
				say("%s: has ended", i.Stream)
			case o.verbose:
				say("%s: handed over after %q", i.Stream, i.LastEventID)
			}
		},
	}
	if o.verbose {
		t.Acquired = func(i fleet.StreamInfo) { say("%s: acquired, goes on after %q", i.Stream, i.LastEventID) }
		t.Rebalanced = func(i fleet.RebalanceInfo) {
			say("%d members share %d streams: %d are for this one", i.Members, i.Streams, i.Share)
		}
	}
	return t
}
