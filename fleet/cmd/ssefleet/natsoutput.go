package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const publishTimeout = 10 * time.Second

// natsOutput publishes each event to a subject that a stream of JetStream keeps, which
// acknowledges it, and drops what it has been sent before, by Nats-Msg-Id.
type natsOutput struct {
	js         jetstream.JetStream
	subject    string
	duplicates func() // counts those
	ttl        time.Duration
	log        *slog.Logger
}

func (o *natsOutput) close() {}

func (o *natsOutput) write(ctx context.Context, m *message) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	msg := nats.NewMsg(cmp.Or(m.stream.subject, o.subject))
	msg.Data = m.event
	msg.Header.Set("Content-Type", "application/json")
	ack, err := o.js.PublishMsg(ctx, msg, jetstream.WithMsgID(m.id), jetstream.WithRetryAttempts(0))
	if err != nil {
		err = fmt.Errorf("NATS: %s: %w", msg.Subject, err)
		if tooLarge(err) {
			err = fmt.Errorf("%w: %w", errRefused, err)
		}
		return err
	}
	if ack.Duplicate {
		o.duplicates()
	}
	return nil
}

// tooLarge reports whether err says that an event is larger than the server, or the stream
// of JetStream, takes.
func tooLarge(err error) bool {
	const streamMessageExceedsMaximum = 10054
	api := (*jetstream.APIError)(nil)
	return errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &api) && api.ErrorCode == streamMessageExceedsMaximum
}

// check reports a subject that no stream of JetStream keeps, and warns of a stream that
// forgets too soon what it has.
func (o *natsOutput) check(ctx context.Context, cfg *config) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	seen, keepers := make(map[string]bool), make(map[string]bool)
	for _, s := range cfg.streams {
		subject := cmp.Or(s.subject, o.subject)
		if seen[subject] {
			continue
		}
		seen[subject] = true
		name, err := o.js.StreamNameBySubject(ctx, subject)
		if err != nil {
			return fmt.Errorf("subject %s: no stream of JetStream keeps it: %w", subject, err)
		}
		keepers[name] = true
	}
	for name := range keepers {
		stream, err := o.js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("stream %s of JetStream: %w", name, err)
		}
		cfg := stream.CachedInfo().Config
		if cfg.Duplicates < 2*o.ttl { // a takeover takes one, and then events come again
			o.log.Warn("the stream of JetStream may keep events twice after a takeover", "stream", name, "duplicate_window", cfg.Duplicates, "ttl", o.ttl)
		}
		if cfg.Storage == jetstream.MemoryStorage {
			o.log.Warn("the stream of JetStream is in memory", "stream", name)
		}
	}
	return nil
}
