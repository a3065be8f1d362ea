package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/fleet"
)

// member is what takes part in the fleet.
type member struct {
	*options
	*monitor
	streams registry
	out     output
	dead    *deadLetters
}

// runMember takes part until ctx is done, or the output is broken.
func runMember(ctx context.Context, o *options, stdin io.Reader, stdout, stderr io.Writer) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // from the start, or it would end the process
	defer signal.Stop(hup)
	cfg, err := loadConfig(ctx, o, stdin)
	if err != nil {
		return err
	}
	to, err := chooseOutput(o, cfg)
	if err != nil {
		return err
	}
	log := newLogger(stderr, o.logFormat, o.verbose)
	nats, err := openCluster(ctx, o, log)
	if err != nil {
		return err
	}
	defer nats.close()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	metrics := newMetrics()
	m := &member{options: o, monitor: newMonitor(log, metrics, nats.conn.IsConnected)}
	m.streams.set(cfg)
	signal.Ignore(syscall.SIGPIPE) // what is written to a broken pipe is an error then, and no end
	m.out, err = openOutput(ctx, o, to, cfg, nats.js, stdout, m.persistent(ctx), cancel)
	if err != nil {
		return err
	}
	defer m.out.close()
	if o.deadLetter != "" {
		if m.dead, err = openDeadLetters(o.deadLetter); err != nil {
			return err
		}
		defer m.dead.close()
	}
	// It answers until the member has ended, and says that it is not ready once it is ending.
	serving, served := context.WithCancel(context.WithoutCancel(ctx))
	defer served()
	if o.http != "" {
		if err := serveHTTP(serving, o, m.monitor); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, m.stop)()
	if o.demo {
		go serveDemo(ctx, o)
	}
	update := make(chan []string, 1)
	go m.reloads(ctx, hup, update)

	config := fleet.Config{
		KV:     nats.kv,
		Conn:   nats.conn,
		Member: o.member,
		Client: &sse.Client{
			HTTPClient:    &http.Client{Transport: secretTransport{newTransport()}},
			CheckResponse: checkResponse,
			IdleTimeout:   o.idle,
		},
		Request:     m.streams.request,
		Update:      update,
		Handle:      m.handle,
		MaxAttempts: o.attempts,
		Poison:      m.poison,
		Drain:       o.drain,
		LeaseTTL:    o.ttl,
		Commit:      fleet.CommitPolicy{Events: o.commitEvents, Interval: o.commitInterval},
		Trace:       m.trace(),
	}
	if o.drain == 0 {
		config.Drain = -1 // not at all
	}
	if !o.named {
		config.Rejoin = -1 // no process of this name will come
	}
	return fleet.Run(ctx, config, slices.Values(cfg.names()))
}

// persistent is what an output that can fail for a while is wrapped in.
func (m *member) persistent(stopping context.Context) *persistent {
	return &persistent{log: m.log, limit: m.limit, metrics: m.metrics, stopping: stopping}
}

// handle writes an event. The member goes on to the next one when it returns nil.
func (m *member) handle(ctx context.Context, name string, ev sse.Event) error {
	event, err := encode(m.member, name, fleet.FencingToken(ctx), ev)
	if err != nil {
		return err
	}
	began := time.Now()
	err = m.out.write(ctx, &message{m.streams.get(name), m.ids.name(name, ev), event})
	if err == nil {
		m.ids.written(name, ev)
		m.wrote(name, time.Since(began))
	}
	return err
}

// poison disposes of an event that the output has refused too often: in the dead letter file,
// or else its error stops the stream.
func (m *member) poison(ctx context.Context, name string, ev sse.Event, cause error) error {
	switch {
	case !errors.Is(cause, errRefused):
		// The output is gone or the member stops, which says nothing about the event. It is
		// left to the next member when ctx ends, after the drain limit at the latest.
		<-ctx.Done()
		return context.Cause(ctx)
	case m.dead == nil:
		return fmt.Errorf("given up after %d attempts", m.attempts)
	}
	if err := m.dead.write(newRecord(m.member, name, fleet.FencingToken(ctx), ev), cause); err != nil {
		return err
	}
	m.ids.written(name, ev)
	m.metrics.deadLetters.Inc()
	m.log.Error("an event is a dead letter", "stream", name, "id", ev.LastEventID, "err", cause)
	return nil
}
