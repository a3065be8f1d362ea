package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// An output takes events. When write returns nil, the event is where it should be, and its
// position may be committed.
type output interface {
	write(ctx context.Context, m *message) error
	check(ctx context.Context, cfg *config) error // whether it can take what the streams send
	close()
}

// A message is an event for an output.
type message struct {
	stream *stream
	id     string // the same whenever the event is written again: see identities
	event  []byte // JSON
}

// errRefused is in an error that says that the output will not take this event, whatever
// becomes of others.
var errRefused = errors.New("refused")

// parseOutput reads -output. Nil is standard output.
func parseOutput(text string) (*outputConfig, error) {
	cfg := new(outputConfig)
	subject, isNATS := strings.CutPrefix(text, "nats:")
	switch {
	case text == "stdout":
		return nil, nil
	case isNATS:
		cfg.NATS = subject
	case strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://"):
		cfg.Webhook = text
	default:
		return nil, errors.New("stdout, nats:SUBJECT or the URL of a webhook")
	}
	return cfg, cfg.check(".")
}

// chooseOutput returns where events go: what -output says, or FILE, or else standard output.
func chooseOutput(o *options, cfg *config) (*outputConfig, error) {
	if o.output == "" {
		return cfg.output, nil
	}
	if cfg.output != nil {
		return nil, fmt.Errorf("%s has an output, and -output is another one", o.file)
	}
	return parseOutput(o.output)
}

// openOutput opens an output. Broken is called when it can take nothing from then on.
func openOutput(ctx context.Context, o *options, to *outputConfig, cfg *config, js jetstream.JetStream, stdout io.Writer, p *persistent, broken func(error)) (output, error) {
	switch {
	case to == nil:
		return newStdout(stdout, broken), nil
	case to.NATS != "":
		out := &natsOutput{js: js, subject: to.NATS, duplicates: p.metrics.duplicates.Inc, ttl: o.ttl, log: p.log}
		p.output = out
	default:
		out, err := newWebhook(to)
		if err != nil {
			return nil, err
		}
		p.output = out
	}
	return p, p.check(ctx, cfg)
}
