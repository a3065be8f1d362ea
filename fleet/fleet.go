// Package fleet shares event streams among the processes of a fleet, its members: each
// stream is read by one member at a time, and goes on at another where that one ends.
//
// Leases and positions are kept in a key-value bucket of NATS JetStream, which may be
// replicated. A member holds a lease on each of its streams for as long as it renews its
// own record in the bucket. Streams are spread evenly: with N streams and M members each
// has N/M of them, rounded down or up.
//
// # What is promised
//
// Each event is handled at least once, as far as the server replays by Last-Event-ID: a
// position is committed only after Handle has returned nil, and a stream goes on after the
// position that was committed last. At most [CommitPolicy].Events events, and those alone that
// came behind that position, are handled again.
//
// A member that cannot renew its record hands no more events to Handle once its lease may be
// over, and commits nothing from then on, however long it was paused or cut off. The one
// event that a member was handling when it was paused is what no clock can stop:
// [FencingToken] lets the place that the event goes to refuse it.
//
// No clocks are compared: each member measures durations by its own.
package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lastevent/sse"
)

// DefaultLeaseTTL is how long a lease outlives its last renewal, unless a [Config] says.
const DefaultLeaseTTL = 15 * time.Second

const minLeaseTTL = 100 * time.Millisecond

// ErrLeaseLost is the cause with which the context of a [Handler] ends when its member may
// no longer hold the lease, or no longer does: NATS was away for too long, the member was
// paused, or another one has taken the stream.
var ErrLeaseLost = errors.New("fleet: the lease is lost")

// A Handler handles an event of a stream. The events of one stream come one by one and
// in order, those of different streams at the same time. Where it returns an error, it is called
// again with the same event, after a wait that grows from 100 ms to 30 s.
//
// Its context ends with the lease, with the cause [ErrLeaseLost], and with that of [Run].
// The stream goes to another member only once the Handler has returned, or a LeaseTTL after
// this one was last heard of.
type Handler func(ctx context.Context, stream string, ev sse.Event) error

// CommitPolicy says when the position behind an event is committed: after every event where
// it is zero, else after so many events or so much time, whichever is first.
//
// A position that is due is committed before the next event of its stream is handled. So
// Events is the largest number of events that come again after a member has died. Where
// it is zero beside an Interval, only the Interval limits them.
type CommitPolicy struct {
	Events   int
	Interval time.Duration // since the first event that is not committed
}

// Config is what a member of a fleet needs. KV and Handle must be set. The
// members of a fleet share the bucket, and should share the rest but Member.
type Config struct {
	// KV holds leases and positions. The bucket belongs to the fleet alone, keeps no
	// history and forgets nothing: its TTL is zero. Give the connection
	// behind it [nats.MaxReconnects](-1), or it is given up after some minutes, and Run with it.
	KV jetstream.KeyValue

	// Member is the name of this process in [Status] and to people; "" means the name of
	// the host and a random part. A process that is started again may have the same name.
	Member string

	// Client opens the streams; nil means the zero [sse.Client]. A stream that ends with
	// an error is opened again, after a wait that grows from 1 s to 1 min; one that
	// ends without an error, by 204 No Content, say, has ended for the fleet.
	Client *sse.Client

	// Request makes the request of a stream, with ctx, each time that a member opens it; nil
	// means GET, with the stream for its URL. A position in the bucket replaces its Last-Event-ID.
	Request func(ctx context.Context, stream string) (*http.Request, error)

	Handle Handler

	// LeaseTTL is how long a member's leases outlive the last renewal of its record, and so how
	// long the streams of a member that was killed stand still. It is renewed three times as often.
	// Zero means DefaultLeaseTTL; less than 100 ms is an error. Longer than NATS takes
	// to elect a leader, ten seconds say, spares the members a pause when one of its nodes dies.
	LeaseTTL time.Duration

	Commit CommitPolicy

	// Trace, if not nil, sees what the member does.
	Trace *Trace
}

// Run runs a member that shares streams with all others on the same bucket, until ctx is
// done. The members should all be given the same streams: one takes its share of those that it
// was given, and knows of no other. Names of streams that come again count once.
//
// When ctx is done the member hands its streams over, and Run returns [context.Cause] of ctx when the
// last Handler has returned. It returns another error only where going on is of no use: the
// configuration is wrong, the bucket is gone, the connection to NATS has been closed. While NATS is away
// the member goes on until its lease is over or a commit is due, then waits for it.
func Run(ctx context.Context, cfg Config, streams iter.Seq[string]) error {
	f, err := newFleet(cfg, streams)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := f.checkBucket(ctx); err != nil {
			return err
		}
		if err := f.serve(ctx); fatal(err) {
			return err
		}
	}
	return context.Cause(ctx)
}

// fleet is one Run.
type fleet struct {
	cfg     Config
	kv      store
	trace   Trace
	streams map[string]string // by the keys of their leases
	past    string            // the key of the last session, if it may still be there
}

func newFleet(cfg Config, streams iter.Seq[string]) (*fleet, error) {
	switch {
	case cfg.KV == nil:
		return nil, errors.New("fleet: Config.KV is nil")
	case cfg.Handle == nil:
		return nil, errors.New("fleet: Config.Handle is nil")
	case cfg.LeaseTTL != 0 && cfg.LeaseTTL < minLeaseTTL:
		return nil, fmt.Errorf("fleet: Config.LeaseTTL is %v, less than %v", cfg.LeaseTTL, minLeaseTTL)
	case cfg.Commit.Events < 0 || cfg.Commit.Interval < 0:
		return nil, fmt.Errorf("fleet: Config.Commit is negative: %+v", cfg.Commit)
	}
	if cfg.Commit == (CommitPolicy{}) {
		cfg.Commit.Events = 1
	}
	cfg.LeaseTTL = cmp.Or(cfg.LeaseTTL, DefaultLeaseTTL)
	cfg.Client = cmp.Or(cfg.Client, new(sse.Client))
	if cfg.Member == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "member"
		}
		cfg.Member = host + "-" + rand.Text()[:8]
	}
	if cfg.Request == nil {
		cfg.Request = func(ctx context.Context, stream string) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, stream, nil)
		}
	}
	f := &fleet{
		cfg:     cfg,
		kv:      store{cfg.KV, 5 * time.Second},
		streams: make(map[string]string),
	}
	if cfg.Trace != nil {
		f.trace = *cfg.Trace
	}
	if streams != nil {
		for stream := range streams {
			f.streams[leaseKey(stream)] = stream
		}
	}
	return f, nil
}

// checkBucket waits for NATS, and returns an error for a bucket that cannot be used.
func (f *fleet) checkBucket(ctx context.Context) error {
	for {
		status, err := f.kv.status(ctx)
		switch {
		case fatal(err):
			return err
		case err == nil && status.TTL() != 0:
			return fmt.Errorf("fleet: the bucket %q forgets what is older than %v, positions too", status.Bucket(), status.TTL())
		case err == nil:
			return nil
		}
		if sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// fatal reports whether err says that waiting for NATS is of no use.
func fatal(err error) bool {
	for _, target := range []error{nats.ErrConnectionClosed, jetstream.ErrBucketNotFound, jetstream.ErrStreamNotFound} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

type fencingToken struct{}

// FencingToken returns the token of the lease under which ctx, the context of a [Handler], was
// made, or zero. For each stream the token grows from lease to lease. A database that
// remembers the largest that it has seen, and refuses what comes with a smaller one, is safe
// from a member that was paused in the middle of its Handler and has lost the stream since.
func FencingToken(ctx context.Context) uint64 {
	token, _ := ctx.Value(fencingToken{}).(uint64)
	return token
}
