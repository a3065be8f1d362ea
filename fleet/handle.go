package fleet

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/lastevent/sse"
)

// handle calls the Handler until it has handled the event, or may not any more. After the
// last attempt it calls Poison, and returns ErrStopped if that has not taken the event.
func (w *worker) handle(ev sse.Event) error {
	var wait *backoff.ExponentialBackOff // until an event fails there is none
	for attempt := 1; ; attempt++ {
		if !w.valid() {
			return w.leaseLost()
		}
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		err := w.try(ev, attempt)
		if err == nil {
			return nil
		}
		last := w.cfg.MaxAttempts > 0 && attempt >= w.cfg.MaxAttempts && w.handling.Err() == nil
		info := StreamInfo{Stream: w.stream, LastEventID: ev.LastEventID, Event: ev, Attempt: attempt, Err: err}
		if wait == nil {
			wait = newWait(100*time.Millisecond, 30*time.Second)
		}
		if !last {
			info.Delay = wait.NextBackOff()
		}
		call(w.trace.HandlerError, info)
		if last {
			return w.poison(ev, err)
		}
		if err := sleep(w.ctx, info.Delay); err != nil {
			return err
		}
	}
}

// try calls the Handler once.
func (w *worker) try(ev sse.Event, attempt int) error {
	ctx := w.handling
	if limit := w.cfg.HandlerTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, ErrHandlerTimeout)
		defer cancel()
		late := time.AfterFunc(limit+finishTime, func() {
			call(w.trace.HandlerError, StreamInfo{
				Stream: w.stream, LastEventID: ev.LastEventID, Event: ev, Attempt: attempt,
				Err: fmt.Errorf("%w, and it has not returned", ErrHandlerTimeout),
			})
		})
		defer late.Stop()
	}
	err := guard(func() error { return w.cfg.Handle(ctx, w.stream, ev) })
	if err != nil && errors.Is(context.Cause(ctx), ErrHandlerTimeout) {
		err = because(err, ErrHandlerTimeout)
	}
	return err
}

// poison disposes of an event that cannot be handled.
func (w *worker) poison(ev sse.Event, cause error) error {
	if w.cfg.Poison == nil {
		return fmt.Errorf("%w: %w", ErrStopped, cause)
	}
	err := guard(func() error { return w.cfg.Poison(w.handling, w.stream, ev, cause) })
	switch {
	case err == nil:
		return nil
	case w.handling.Err() != nil:
		return context.Cause(w.handling) // the next member decides
	}
	return fmt.Errorf("%w: %w", ErrStopped, because(err, cause))
}

// guard calls a function of the program, and returns its panic as an error.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
