package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	leastRetry = 100 * time.Millisecond
	mostRetry  = 30 * time.Second
)

// persistent tries an output until it takes an event or refuses it. So an outage of the
// output holds events back, and does not count as attempts with an event.
type persistent struct {
	output
	log      *slog.Logger
	limit    *limiter
	metrics  *metrics
	stopping context.Context // when it is done, failures are not repeated: another member tries
}

func (p *persistent) write(ctx context.Context, m *message) error {
	for wait := leastRetry; ; wait = min(2*wait, mostRetry) {
		err := p.output.write(ctx, m)
		if err == nil || errors.Is(err, errRefused) || ctx.Err() != nil {
			return err
		}
		p.metrics.outputFailures.Inc()
		delay := wait/2 + rand.N(wait/2+1)
		if later := (*laterError)(nil); errors.As(err, &later) {
			delay += later.after
		}
		if held, ok := p.limit.pass("output"); ok {
			p.log.Warn("the output fails", "err", err, "stream", m.stream.name, "again", delay, "unlogged", held)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.stopping.Done():
			return err
		}
	}
}
