package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/lastevent/sse"
)

// A worker reads one stream: it gets the lease, goes on after the position, and gives the
// lease back.
type worker struct {
	*member
	key    string // of the lease
	stream string
	lease  lease // as seen; nobody's, or held by a session that is over
	claim  uint64

	ctx      context.Context // of the stream; ends with handling, and when it is given away
	stop     context.CancelCauseFunc
	stopped  bool            // belongs to the member
	handling context.Context // of the Handler
}

// exit is what a worker leaves: what is known of the lease now.
type exit struct {
	key   string
	lease entry
}

func newWorker(ctx context.Context, m *member, key string, l lease, claim uint64) *worker {
	w := &worker{member: m, key: key, stream: m.streams[key], lease: l, claim: claim, handling: ctx}
	w.ctx, w.stop = context.WithCancelCause(ctx)
	return w
}

func (w *worker) run() exit {
	defer w.stop(nil)
	lease, p, err := w.acquire()
	if err != nil {
		info := StreamInfo{Stream: w.stream, Err: err}
		if lease.key == "" { // the next try begins with what is known already
			info.Delay = pause
		}
		if err != errTaken && w.ctx.Err() == nil {
			info.Delay = time.Second
			call(w.trace.StreamError, info)
		}
		_ = sleep(w.ctx, info.Delay)
		return exit{w.key, lease}
	}
	call(w.trace.Acquired, StreamInfo{Stream: w.stream, LastEventID: p.record.LastEventID, Token: lease.revision})
	w.handling = context.WithValue(w.handling, fencingToken{}, lease.revision)
	ended := w.follow(p)
	info := StreamInfo{Stream: w.stream, Err: p.close(), Ended: ended}
	info.LastEventID = p.record.LastEventID
	if info.Err == nil {
		lease, info.Err = w.release(lease, ended)
	}
	call(w.trace.Released, info)
	return exit{w.key, lease}
}

// acquire gets the lease, and the position under it.
func (w *worker) acquire() (entry, *position, error) {
	select {
	case w.claims <- struct{}{}:
		defer func() { <-w.claims }()
	case <-w.ctx.Done():
		return entry{}, nil, w.ctx.Err()
	}
	record := leaseRecord{Stream: w.stream, Session: w.session.id, Member: w.cfg.Member, Claim: w.claim}
	lease, err := w.fleet.kv.put(w.ctx, w.key, encode(record), w.lease.revision)
	if err != nil {
		return lease, nil, err
	}
	p, err := w.openPosition(lease.revision)
	if err != nil {
		lease, _ = w.release(lease, false)
		return lease, nil, err
	}
	return lease, p, nil
}

// release gives the lease back, or ends the stream for all.
func (w *worker) release(lease entry, ended bool) (entry, error) {
	var now entry
	var err error
	if ended {
		now, err = w.fleet.kv.put(w.session.ctx, w.key, encode(leaseRecord{Stream: w.stream, Ended: true}), lease.revision)
	} else {
		now, err = w.fleet.kv.del(w.session.ctx, w.key, lease.revision)
	}
	if err != nil {
		err = ErrLeaseLost
	}
	return now, err
}

// follow hands the events of the stream to the Handler until the stream has ended for
// good, or is to be given away, or the lease is lost.
func (w *worker) follow(p *position) (ended bool) {
	wait := newWait(time.Second, time.Minute)
	for w.ctx.Err() == nil {
		err := w.open(p, wait.Reset)
		if w.ctx.Err() != nil {
			break
		}
		if err == nil {
			return true
		}
		info := StreamInfo{Stream: w.stream, LastEventID: p.lastEventID(), Err: err, Delay: wait.NextBackOff()}
		call(w.trace.StreamError, info)
		_ = sleep(w.ctx, info.Delay)
	}
	return false
}

// open follows the stream once. Where nothing else ended it, it returns what the client did.
func (w *worker) open(p *position, progress func()) error {
	req, err := w.cfg.Request(w.ctx, w.stream)
	if err != nil {
		return err
	}
	if req == nil {
		return errors.New("fleet: Config.Request returned no request")
	}
	// The request may have a context of its own: the stream ends with either.
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	defer context.AfterFunc(w.ctx, func() { cancel(context.Cause(w.ctx)) })()
	req = req.Clone(ctx)
	p.resume(req)
	for ev, err := range w.cfg.Client.Events(req) {
		if err != nil {
			return err
		}
		if err := w.handle(ev); err != nil {
			return err
		}
		progress()
		if err := p.handled(ev.LastEventID); err != nil {
			w.stop(ErrLeaseLost)
			return err
		}
	}
	return nil
}

// handle calls the Handler until it has handled the event, or may not any more.
func (w *worker) handle(ev sse.Event) error {
	wait := newWait(100*time.Millisecond, 30*time.Second)
	for {
		if !w.valid() {
			w.stop(ErrLeaseLost)
			return ErrLeaseLost
		}
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		err := w.cfg.Handle(w.handling, w.stream, ev)
		if err == nil {
			return nil
		}
		info := StreamInfo{Stream: w.stream, LastEventID: ev.LastEventID, Event: ev, Err: err, Delay: wait.NextBackOff()}
		call(w.trace.HandlerError, info)
		if err := sleep(w.ctx, info.Delay); err != nil {
			return err
		}
	}
}

// newWait returns waits that double from least to most, each up to half longer or shorter at random.
func newWait(least, most time.Duration) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(least), backoff.WithMultiplier(2),
		backoff.WithMaxInterval(most), backoff.WithMaxElapsedTime(0))
}
