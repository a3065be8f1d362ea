package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/require"
)

const patience = time.Minute // for what comes at once, on a machine that is not busy

func init() {
	service.MustRegisterMetricsExporter("counted", service.NewConfigSpec(), func(*service.ParsedConfig, *service.Logger) (service.MetricsExporter, error) {
		return counts, nil
	})
}

// A pipeline is a stream of the framework with an input sse and a consumer.
type pipeline struct {
	t      *testing.T
	stream *service.Stream
	log    *logBuffer
	ended  chan error

	mu       sync.Mutex
	received []received
}

type received struct {
	data string
	meta map[string]string
}

// start runs a pipeline. The consumer's error rejects a message; a nil consumer accepts all.
func start(t *testing.T, input, resources string, consume func(data string) error) *pipeline {
	t.Helper()
	p := &pipeline{t: t, log: new(logBuffer), ended: make(chan error, 1)}
	b := service.NewStreamBuilder()
	b.SetLogger(slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	require.NoError(t, b.AddInputYAML(input))
	if resources != "" {
		require.NoError(t, b.AddResourcesYAML(resources))
	}
	require.NoError(t, b.SetMetricsYAML("counted: {}"))
	require.NoError(t, b.AddConsumerFunc(func(_ context.Context, m *service.Message) error {
		data, err := m.AsBytes()
		if err != nil {
			return err
		}
		r := received{data: string(data), meta: map[string]string{}}
		_ = m.MetaWalk(func(k, v string) error {
			r.meta[k] = v
			return nil
		})
		if consume != nil {
			if err := consume(r.data); err != nil {
				return err
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.received = append(p.received, r)
		return nil
	}))
	var err error
	p.stream, err = b.Build()
	require.NoError(t, err)
	go func() { p.ended <- p.stream.Run(context.Background()) }()
	t.Cleanup(func() { _ = p.stream.StopWithin(patience) })
	return p
}

// stop stops the pipeline gracefully.
func (p *pipeline) stop() {
	p.t.Helper()
	require.NoError(p.t, p.stream.StopWithin(patience))
	p.wait()
}

// wait waits for the end of the pipeline.
func (p *pipeline) wait() {
	p.t.Helper()
	select {
	case err := <-p.ended:
		require.NoError(p.t, err)
	case <-time.After(patience):
		require.FailNow(p.t, "the pipeline does not end", p.log.String())
	}
}

// all returns what the consumer has accepted.
func (p *pipeline) all() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]received(nil), p.received...)
}

func (p *pipeline) data() (all []string) {
	for _, r := range p.all() {
		all = append(all, r.data)
	}
	return all
}

// await waits until the consumer has accepted n messages.
func (p *pipeline) await(n int) {
	p.t.Helper()
	eventually(p.t, func() bool { return len(p.all()) >= n }, p.log)
}

// awaitLog waits for a line of the log that contains all texts.
func (p *pipeline) awaitLog(texts ...string) {
	p.t.Helper()
	eventually(p.t, func() bool { return p.log.has(texts...) }, p.log)
}

func eventually(t *testing.T, cond func() bool, log fmt.Stringer) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			if log != nil {
				t.Log(log.String())
			}
			require.FailNow(t, "it does not happen")
		}
	}
}

// events returns "event from" to "event to".
func events(from, to int) (all []string) {
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("event %d", n))
	}
	return all
}

// fileCache returns the resource "positions", in a directory of the test's.
func fileCache(dir string) string {
	return fmt.Sprintf("cache_resources:\n  - label: positions\n    file: { directory: %q }\n", dir)
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// has reports whether one line contains all texts.
func (l *logBuffer) has(texts ...string) bool {
lines:
	for line := range strings.Lines(l.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		return true
	}
	return false
}

// counts are the metrics of all pipelines, by name and label: the URLs of servers differ.
var counts = &counted{values: map[string]int64{}}

type counted struct {
	mu     sync.Mutex
	values map[string]int64
}

type meter struct {
	c    *counted
	name string
}

func (m meter) Incr(n int64)   { m.change(func(v int64) int64 { return v + n }) }
func (m meter) Set(n int64)    { m.change(func(int64) int64 { return n }) }
func (m meter) Timing(n int64) {}

func (m meter) change(f func(int64) int64) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.c.values[m.name] = f(m.c.values[m.name])
}

func (c *counted) get(name, label string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[name+" "+label]
}

func (c *counted) named(name string, values []string) meter {
	return meter{c, strings.TrimSpace(name + " " + values[len(values)-1])}
}

func (c *counted) NewCounterCtor(name string, _ ...string) service.MetricsExporterCounterCtor {
	return func(values ...string) service.MetricsExporterCounter {
		return c.named(name, append([]string{""}, values...))
	}
}

func (c *counted) NewTimerCtor(name string, _ ...string) service.MetricsExporterTimerCtor {
	return func(values ...string) service.MetricsExporterTimer {
		return c.named(name, append([]string{""}, values...))
	}
}

func (c *counted) NewGaugeCtor(name string, _ ...string) service.MetricsExporterGaugeCtor {
	return func(values ...string) service.MetricsExporterGauge {
		return c.named(name, append([]string{""}, values...))
	}
}

func (c *counted) Close(context.Context) error { return nil }

var errRejected = errors.New("rejected by the test")
