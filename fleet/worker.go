package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// A worker reads one stream: it gets the lease, resumes after the position, and gives the
// lease back.
type worker struct {
	*member
	key      string // of the lease
	stream   string
	lease    lease // as seen; nobody's, or held by a session that is over
	claim    uint64
	failures int           // of the workers before, in a row
	held     atomic.Uint64 // revision of the lease, once this worker has it

	ctx      context.Context // of the stream; ends with handling, and when it is given away
	stop     context.CancelCauseFunc
	stopped  bool            // belongs to the member
	handling context.Context // of the Handler

	conn connState
}

// exit is what a worker leaves: what is known of the lease now.
type exit struct {
	worker *worker
	lease  entry
	failed bool // it did not get the lease and the position
}

func newWorker(handling context.Context, m *member, key string, l lease, claim uint64) *worker {
	w := &worker{
		member: m, key: key, stream: m.list.streams[key], lease: l, claim: claim,
		failures: m.failures[key], handling: handling,
	}
	w.ctx, w.stop = context.WithCancelCause(handling)
	return w
}

// work reports to the member, even if a Handler ends the goroutine.
func (w *worker) work() {
	x := exit{worker: w, failed: true}
	defer func() {
		w.stop(nil)
		select {
		case w.exits <- x:
		case <-w.ended:
		}
	}()
	x.lease, x.failed = w.run()
}

func (w *worker) run() (now entry, failed bool) {
	lease, p, err := w.acquire()
	if err != nil {
		return lease, w.notAcquired(lease, err)
	}
	call(w.trace.Acquired, StreamInfo{Stream: w.stream, LastEventID: p.record.LastEventID, Token: p.record.Fence})
	w.handling = context.WithValue(w.handling, fencingToken{}, p.record.Fence)
	end := w.follow(p)
	info := StreamInfo{Stream: w.stream, Err: p.close(), Ended: end.ended}
	info.LastEventID = p.record.LastEventID
	if info.Err == nil {
		if lease, info.Err = w.release(lease, end); info.Err == nil {
			info.Err = end.err
		}
		if cause := context.Cause(w.ctx); info.Err == nil && errors.Is(cause, ErrLeaseLost) {
			info.Err = cause
		}
	}
	call(w.trace.Released, info)
	return lease, false
}

// notAcquired waits before the next try, longer each time, and reports whether this one
// counts as a failure. If another member was faster, there is nothing to wait for.
func (w *worker) notAcquired(lease entry, err error) (failed bool) {
	if err == errTaken && lease.key != "" || w.ctx.Err() != nil {
		return false // the next try begins with what is known now
	}
	var junk *junkError
	least := pause
	if permanent(err) || errors.As(err, &junk) {
		least = badPause
	}
	delay := newWait(least, maxBad)
	wait := delay.NextBackOff()
	for range w.failures {
		wait = delay.NextBackOff()
	}
	if junk != nil {
		call(w.trace.StreamError, StreamInfo{Stream: w.stream, Err: err, Delay: wait})
	} else {
		w.kv.report(op{name: "claim", stream: w.stream}, err, wait)
	}
	if errors.Is(err, nats.ErrPermissionViolation) || errors.Is(err, errRecreated) {
		w.end(lost(err)) // no stream can be claimed: the others are to take all
	}
	_ = sleep(w.ctx, wait)
	return true
}

// acquire gets the lease, and the position under it. A worker that is stopped meanwhile
// still waits for NATS: it must know whether it has a lease to release.
func (w *worker) acquire() (entry, *position, error) {
	orphan := w.lease.session == w.session.id // it has the lease already
	select {
	case w.claims <- struct{}{}:
		defer func() { <-w.claims }()
	case <-w.ctx.Done():
		if !orphan {
			return entry{}, nil, context.Cause(w.ctx)
		}
	}
	if orphan && w.ctx.Err() != nil {
		lease, _ := w.release(entry{key: w.key, revision: w.lease.revision}, ending{})
		return lease, nil, context.Cause(w.ctx)
	}
	record := encode(leaseRecord{Stream: w.stream, Session: w.session.id, Member: w.cfg.Member, Claim: w.claim})
	o := op{"claim", w.stream, true}
	lease, err := w.kv.put(w.session.ctx, o, w.key, record, w.lease.revision)
	if err == errGone {
		lease, err = w.kv.put(w.session.ctx, o, w.key, record, 0)
	}
	if err != nil {
		return lease, nil, err
	}
	w.held.Store(lease.revision)
	token, err := w.token(lease)
	var p *position
	if err == nil {
		p, err = w.openPosition(token)
	}
	if err != nil {
		lease, _ = w.release(lease, ending{})
		return lease, nil, err
	}
	return lease, p, nil
}

// ending is how a worker has come to the end of its stream.
type ending struct {
	ended bool  // by 204, for all
	err   error // ErrStopped or ErrUnreachable, with its cause
}

// release gives the lease back, or ends the stream for all.
func (w *worker) release(lease entry, end ending) (entry, error) {
	w.held.Store(0) // what the watch brings now is this worker's own doing
	o := op{name: "release", stream: w.stream}
	var now entry
	var err error
	switch {
	case errors.Is(end.err, ErrStopped):
		now, err = w.kv.put(w.session.ctx, o, w.key, encode(leaseRecord{Stream: w.stream, Ended: true, Stopped: quote(end.err)}), lease.revision)
	case end.ended:
		now, err = w.kv.put(w.session.ctx, o, w.key, encode(leaseRecord{Stream: w.stream, Ended: true}), lease.revision)
	case w.draining.Load() && w.cfg.Rejoin > 0:
		now, err = w.kv.put(w.session.ctx, o, w.key, encode(leaseRecord{Stream: w.stream, For: w.cfg.Member, Wait: w.cfg.Rejoin}), lease.revision)
	default:
		now, err = w.kv.del(w.session.ctx, o, w.key, lease.revision)
	}
	if err != nil {
		err = lost(err)
	}
	return now, err
}

// follow hands the events of the stream to the Handler until the stream has ended for
// good, or is stopped, or is to be given away, or the lease is lost.
func (w *worker) follow(p *position) ending {
	defer w.conn.close()
	wait := newWait(time.Second, time.Minute)
	for w.ctx.Err() == nil {
		w.conn.begin(p)
		ended, err := w.open(p, wait.Reset)
		switch {
		case errors.Is(err, ErrStopped):
			return ending{ended: true, err: err}
		case w.ctx.Err() != nil:
			continue
		case ended:
			return ending{ended: true}
		}
		w.conn.fail(p, err)
		if !w.conn.tried {
			w.failedToOpen() // before there was a connection
		}
		info := StreamInfo{Stream: w.stream, LastEventID: p.lastEventID(), Err: err, Delay: wait.NextBackOff()}
		call(w.trace.StreamError, info)
		_ = sleep(w.ctx, info.Delay)
	}
	if errors.Is(context.Cause(w.ctx), ErrUnreachable) {
		return ending{err: fmt.Errorf("%w: %w", ErrUnreachable, w.conn.lastError())}
	}
	return ending{}
}

// leaseLost ends the worker, whose member may no longer have the lease.
func (w *worker) leaseLost() error {
	err := w.why()
	w.stop(err)
	return err
}
