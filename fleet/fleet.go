// Package fleet shares event streams among the processes of a fleet, its members: each
// stream is read by one member at a time, and another member continues it when that one
// stops.
//
//	err := fleet.Run(ctx, fleet.Config{
//		KV:     kv, // a bucket of JetStream that the fleet has for itself
//		Commit: fleet.CommitPolicy{Events: 100, Interval: time.Second},
//		Handle: func(ctx context.Context, stream string, ev sse.Event) error {
//			return store(ctx, stream, ev, fleet.FencingToken(ctx))
//		},
//	}, slices.Values(urls))
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
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lastevent/sse"
)

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
