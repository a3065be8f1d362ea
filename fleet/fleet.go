// Package fleet shares event streams among the processes of a fleet, its members: each
// stream is read by one member at a time, and another member continues it when that one
// stops.
//
// Leases and positions are kept in a key-value bucket of NATS JetStream, which may be
// replicated. A member holds a lease on each of its streams for as long as it renews its
// own record in the bucket. Streams are spread evenly: with N streams and M members each
// has N/M of them, rounded down or up.
//
// # What is promised
//
// Each event is handled at least once, provided that the server replays by Last-Event-ID: a
// position is committed only after Handle has returned nil, and a stream resumes after the
// position that was committed last. At most [CommitPolicy].Events events, and only those
// that came after that position, are handled again.
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
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lastevent/sse"
)

// DefaultLeaseTTL is how long a lease outlives its last renewal, unless a [Config] says otherwise.
const DefaultLeaseTTL = 15 * time.Second

const minLeaseTTL = 100 * time.Millisecond

// ErrLeaseLost is in the cause with which the context of a [Handler] ends when its member may
// no longer hold the lease, or no longer does: NATS was away for too long, the member was
// paused, or another member or a person has taken the lease away. The cause wraps
// ErrLeaseLost together with what has led to it.
var ErrLeaseLost = errors.New("fleet: the lease is lost")

// ErrHandlerTimeout is the cause with which the context of a [Handler] ends after
// Config.HandlerTimeout.
var ErrHandlerTimeout = errors.New("fleet: the handler's time is over")

// ErrStopped is in the error of Trace.Released if a stream is stopped at an event that
// could not be handled: see Config.Poison.
var ErrStopped = errors.New("fleet: the stream is stopped at an event that cannot be handled")

// ErrUnreachable is in the error of Trace.Released if a stream is given back, since this
// member cannot reach it: see Config.GiveBack.
var ErrUnreachable = errors.New("fleet: the stream cannot be reached")

// A PanicError is a panic of a [Handler], or of another function of the [Config].
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("fleet: panic: %v", e.Value) }

// A Handler handles an event of a stream. The events of one stream come one by one and
// in order, those of different streams at the same time. If it returns an error or panics, it
// is called again with the same event, after a wait that grows from 100 ms to 30 s: see
// Config.MaxAttempts.
//
// Its context ends with the lease, with a cause that wraps [ErrLeaseLost], and Config.Drain after that
// of [Run], with the same cause as that. The stream goes to another member only when the Handler
// has returned, or a LeaseTTL after this member was last heard of.
type Handler func(ctx context.Context, stream string, ev sse.Event) error

// CommitPolicy says when the position after an event is committed: after every event if
// the policy is zero, and otherwise after so many events or so much time, whichever is first.
// An event that leaves the ID in force as it was counts, but there is no new position to
// commit before the ID changes.
//
// A position that is due is committed before the next event of its stream is handled. So
// Events is the largest number of events that come again after a member has died. If
// Events is zero and Interval is not, only the Interval limits them.
type CommitPolicy struct {
	Events   int
	Interval time.Duration // since the first event that is not committed
}

// Config is what a member of a fleet needs. KV and Handle must be set. The members of a
// fleet share the bucket, and should share everything else but Member.
type Config struct {
	// KV holds leases and positions. The bucket belongs to one fleet, and forgets nothing:
	// its TTL is zero. Connect with [nats.MaxReconnects](-1), or the connection is given up
	// after some minutes, and Run with it.
	KV jetstream.KeyValue

	// Conn, if not nil, is the connection of KV. NATS reports missing rights only on the
	// connection: with it, Trace.Trouble can name them; without it, it sees a timeout.
	Conn *nats.Conn

	// Member is the name of this process in [Status], in traces, and to people. A process
	// that is started again should have the same name: see Rejoin. Leave it empty if the name
	// would be another one each time: that means the host's name and a random part.
	Member string

	// Client opens the streams; nil means the zero [sse.Client]. Only 204 No Content ends a
	// stream, for all members. A stream that ends in another way, with an error or without
	// one, is opened again, after a wait that grows from 1 s to 1 min.
	Client *sse.Client

	// Request makes the request of a stream, with ctx, each time that a member opens it; nil
	// means GET, with the stream for its URL. A position in the bucket replaces its Last-Event-ID.
	Request func(ctx context.Context, stream string) (*http.Request, error)

	// Update, if not nil, makes the list of streams live: each list that is received
	// replaces the one before. A stream that is no longer in the list is released, with its
	// position. A closed channel changes nothing.
	Update <-chan []string

	Handle Handler

	// HandlerTimeout is how long one call of Handle may take: then its context ends with
	// [ErrHandlerTimeout]. Zero means no limit. A Handler that ignores its context keeps its
	// stream from being read; Trace.HandlerError reports it.
	HandlerTimeout time.Duration

	// MaxAttempts is how often Handle is called with one event before Poison is. Zero means
	// for ever. Attempts are counted by the member that has the stream, and start again where
	// the stream changes hands.
	MaxAttempts int

	// Poison is called with an event that Handle has failed to handle MaxAttempts times, and
	// with the last error. If it returns nil, the event counts as handled: Poison has put
	// it in a dead letter queue, say. If it returns an error, or if Poison is nil, the stream
	// is stopped before the event for all members, until [Reopen]; [Status] names the error.
	Poison func(ctx context.Context, stream string, ev sse.Event, err error) error

	// Drain is how long handlers may continue after the context of Run is done: then their
	// contexts end, too. Zero means 10 s; a negative value means not at all.
	Drain time.Duration

	// Rejoin is how long the streams of a member that stops wait for a process of the same
	// name, before others take them: a restart then moves no streams. Zero means a third of
	// LeaseTTL if Member is set, and no time if it is not; a negative value means no time.
	Rejoin time.Duration

	// LeaseTTL is how long a member's leases outlive the last renewal of its record, and so how
	// long the streams of a member that was killed stand still. It is renewed three times as often.
	// Zero means DefaultLeaseTTL; less than 100 ms is an error. Longer than NATS takes
	// to elect a leader, ten seconds say, spares the members a pause when one of its nodes dies.
	LeaseTTL time.Duration

	// OpensPerHost is how many connections to the host of a request this member opens at a time, so
	// that a host's streams that change hands do not all arrive at once. Zero means 16.
	OpensPerHost int

	// GiveBack is after how many consecutive failures to open it a stream is given back, if
	// another member may take it: that member may reach what this one cannot. A member
	// tries such a stream again after ten minutes at the earliest. Zero means 5; a negative
	// value means never.
	GiveBack int

	Commit CommitPolicy

	// Trace, if not nil, sees what the member does.
	Trace *Trace
}

// Run runs a member that shares streams with all others on the same bucket, until ctx is
// done. A stream that is in several members' lists is read by one of them, and a stream that is
// only in some is shared among those. Names that are given twice count once.
//
// When ctx is done the member takes no more events, lets its handlers finish for as long as
// Config.Drain, and hands its streams over. Then Run returns [context.Cause] of ctx, even
// if NATS is away: a few seconds after Drain at the latest. A Handler that ignores the end of its
// context is left running. Run returns another error only if it cannot continue: the
// configuration is wrong, the bucket is gone, the connection to NATS has been closed. While NATS
// is away the member continues until its leases are over or a commit is due, then waits for it.
func Run(ctx context.Context, cfg Config, streams iter.Seq[string]) error {
	f, err := newFleet(cfg, streams)
	if err != nil {
		return err
	}
	defer close(f.ended)
	defer f.settle()
	if cfg.Update != nil {
		go f.receive(cfg.Update)
	}
	wait := newWait(pause, maxPause)
	for ctx.Err() == nil {
		if err := f.checkBucket(ctx); err != nil {
			return err
		}
		began := time.Now()
		err := f.serve(ctx)
		switch {
		case fatal(err):
			return err
		case ctx.Err() == nil:
			if time.Since(began) > 2*f.cfg.LeaseTTL {
				wait.Reset()
			}
			delay := wait.NextBackOff()
			f.store.report(op{name: "renew"}, err, delay)
			_ = sleep(ctx, delay)
		}
	}
	return context.Cause(ctx)
}

// fleet is one Run. What is not safe for several goroutines belongs to that of Run.
type fleet struct {
	cfg      Config
	store    store
	trace    Trace
	hosts    hosts
	epoch    uint64             // of the bucket
	list     *list              // the current one
	past     string             // the key of the last session, if it may still be there
	workers  map[string]*worker // that run, by the keys of their leases: those of sessions before, too
	failures map[string]int     // to get leases, in a row
	excluded map[string]time.Time
	draining atomic.Bool
	exits    chan exit
	ended    chan struct{} // closed when Run returns
	latest   atomic.Pointer[[]string]
	changed  chan struct{} // latest is new
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
	case cfg.MaxAttempts < 0 || cfg.HandlerTimeout < 0 || cfg.OpensPerHost < 0:
		return nil, errors.New("fleet: Config.MaxAttempts, HandlerTimeout or OpensPerHost is negative")
	}
	if cfg.Commit == (CommitPolicy{}) {
		cfg.Commit.Events = 1
	}
	cfg.LeaseTTL = cmp.Or(cfg.LeaseTTL, DefaultLeaseTTL)
	cfg.Client = cmp.Or(cfg.Client, new(sse.Client))
	cfg.GiveBack = cmp.Or(cfg.GiveBack, 5)
	cfg.Drain = max(0, cmp.Or(cfg.Drain, 10*time.Second))
	if cfg.Member == "" {
		cfg.Rejoin = -1 // no other process has the name
		host, err := os.Hostname()
		if err != nil {
			host = "member"
		}
		cfg.Member = host + "-" + rand.Text()[:8]
	}
	cfg.Rejoin = max(0, cmp.Or(cfg.Rejoin, cfg.LeaseTTL/3))
	f := &fleet{
		cfg:      cfg,
		hosts:    hosts{limit: cmp.Or(cfg.OpensPerHost, 16), gates: make(map[string]*gate)},
		workers:  make(map[string]*worker),
		failures: make(map[string]int),
		excluded: make(map[string]time.Time),
		exits:    make(chan exit),
		ended:    make(chan struct{}),
		changed:  make(chan struct{}, 1),
	}
	if cfg.Trace != nil {
		f.trace = *cfg.Trace
	}
	f.store = store{cfg.KV, cfg.Conn, min(cfg.LeaseTTL/3, 3*time.Second), func(info TroubleInfo) { call(f.trace.Trouble, info) }}
	var names []string
	if streams != nil {
		names = slices.Collect(streams)
	}
	f.list = newList(names)
	return f, nil
}

// receive takes the lists of Config.Update, and keeps the last one.
func (f *fleet) receive(update <-chan []string) {
	for {
		select {
		case names, ok := <-update:
			if !ok {
				return
			}
			names = slices.Clone(names)
			f.latest.Store(&names)
			select {
			case f.changed <- struct{}{}:
			default:
			}
		case <-f.ended:
			return
		}
	}
}

// settle waits a while for workers whose contexts have ended.
func (f *fleet) settle() {
	over := time.After(finishTime)
	for len(f.workers) > 0 {
		select {
		case x := <-f.exits:
			delete(f.workers, x.worker.key)
		case <-over:
			return
		}
	}
}

// checkBucket waits for NATS, and returns an error for a bucket that cannot be used.
func (f *fleet) checkBucket(ctx context.Context) error {
	for wait := newWait(pause, maxPause); ; {
		status, err := f.store.status(ctx)
		switch {
		case fatal(err):
			return err
		case err == nil && status.TTL() != 0:
			return fmt.Errorf("fleet: the bucket %q forgets what is older than %v, positions too", status.Bucket(), status.TTL())
		case err == nil:
			f.epoch = epoch(status)
			return nil
		}
		delay := wait.NextBackOff()
		if ctx.Err() == nil {
			f.store.report(op{name: "check"}, err, delay)
		}
		if sleep(ctx, delay) != nil {
			return nil //nolint:nilerr // the fleet has been told to stop: that is no error of the bucket
		}
	}
}

// epoch returns what is added to a revision for a fencing token: when the bucket was made, in
// microseconds. Fewer than a million revisions are written in a second: so the tokens of a
// bucket that is made anew are larger than all tokens of the bucket before.
func epoch(status jetstream.KeyValueStatus) uint64 {
	if s, ok := status.(*jetstream.KeyValueBucketStatus); ok {
		return uint64(s.StreamInfo().Created.UnixMicro())
	}
	return 0
}

type fencingToken struct{}

// FencingToken returns the token of the lease under which ctx, the context of a [Handler], was
// made, or zero. For each stream the token grows from lease to lease, even if the bucket is
// made anew. A database that remembers the largest that it has seen, and refuses what comes with a smaller one, is safe
// from a member that was paused in the middle of its Handler and has lost the stream since.
func FencingToken(ctx context.Context) uint64 {
	token, _ := ctx.Value(fencingToken{}).(uint64)
	return token
}
