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
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lastevent/sse"
)

// DefaultLeaseTTL is how long a lease outlives its last renewal, unless a [Config] says otherwise.
const DefaultLeaseTTL = 15 * time.Second

const minLeaseTTL = 100 * time.Millisecond

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
