package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/lastevent/sse/fleet"
)

// A monitor sees what the member does: it logs and counts that, and knows how the member is.
type monitor struct {
	log           *slog.Logger
	limit         *limiter
	metrics       *metrics
	ids           *identities
	natsConnected func() bool

	mu       sync.Mutex
	held     map[string]*held // streams
	shared   fleet.RebalanceInfo
	stopping bool
}

// held is a stream that the member has.
type held struct {
	connected bool
	failures  int // to connect, consecutive
	events    int
	lastEvent time.Time
}

func newMonitor(log *slog.Logger, metrics *metrics, natsConnected func() bool) *monitor {
	m := &monitor{log: log, limit: newLimiter(), metrics: metrics, ids: newIdentities(), natsConnected: natsConnected, held: make(map[string]*held)}
	metrics.registry.MustRegister(m)
	return m
}

// change calls f with a stream that the member has.
func (m *monitor) change(stream string, f func(*held)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.held[stream]; s != nil {
		f(s)
	}
}

// ready returns why the member takes no part in the fleet, or "".
func (m *monitor) ready() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.stopping:
		return "stopping"
	case !m.natsConnected():
		return "NATS is not connected"
	case m.shared.Members == 0:
		return "not in the fleet yet"
	}
	return ""
}

func (m *monitor) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopping = true
	m.log.Info("stopping")
}

func (m *monitor) wrote(stream string, took time.Duration) {
	m.metrics.events.Inc()
	m.metrics.outputSeconds.Observe(took.Seconds())
	m.change(stream, func(s *held) {
		s.events++
		s.lastEvent = time.Now()
	})
}

func (m *monitor) trace() *fleet.Trace {
	return &fleet.Trace{
		Acquired:     m.acquired,
		Released:     m.released,
		Connected:    m.connected,
		Disconnected: m.disconnected,
		Committed:    func(fleet.StreamInfo) { m.metrics.commits.Inc() },
		HandlerError: m.handlerError,
		StreamError:  m.streamError,
		Trouble:      m.trouble,
		Rebalanced:   m.rebalanced,
	}
}

func (m *monitor) acquired(i fleet.StreamInfo) {
	m.ids.begin(i.Stream, i.Token, i.LastEventID)
	m.mu.Lock()
	m.held[i.Stream] = new(held)
	m.mu.Unlock()
	m.log.Info("acquired", "stream", i.Stream, "after", i.LastEventID)
}

func (m *monitor) released(i fleet.StreamInfo) {
	m.ids.end(i.Stream)
	m.mu.Lock()
	delete(m.held, i.Stream)
	m.mu.Unlock()
	switch {
	case errors.Is(i.Err, fleet.ErrStopped):
		m.log.Error("stopped at an event", "stream", i.Stream, "after", i.LastEventID, "err", i.Err)
	case errors.Is(i.Err, fleet.ErrUnreachable):
		m.log.Warn("given back", "stream", i.Stream, "after", i.LastEventID, "err", i.Err)
	case i.Err != nil:
		m.metrics.leasesLost.Inc()
		if held, ok := m.limit.pass("lost"); ok {
			m.log.Warn("lost", "stream", i.Stream, "after", i.LastEventID, "err", i.Err, "unlogged", held)
		}
	case i.Ended:
		m.log.Info("ended", "stream", i.Stream, "after", i.LastEventID)
	default:
		m.log.Info("handed over", "stream", i.Stream, "after", i.LastEventID)
	}
}

func (m *monitor) connected(i fleet.StreamInfo) {
	failures := 0
	m.change(i.Stream, func(s *held) {
		failures = s.failures
		*s = held{connected: true, events: s.events, lastEvent: s.lastEvent}
	})
	m.log.Info("connected", "stream", i.Stream, "after", i.LastEventID, "failures", failures)
}

// disconnected warns if a stream does not come back, each time that the number of failures
// has doubled. Servers that close their connections now and then are nothing to warn of.
func (m *monitor) disconnected(i fleet.StreamInfo) {
	m.metrics.disconnects.Inc()
	dropped, failures := false, 0
	m.change(i.Stream, func(s *held) {
		dropped, s.connected = s.connected, false
		if !dropped {
			s.failures++
		}
		failures = s.failures
	})
	level, err := slog.LevelInfo, i.Err
	switch {
	case err == nil:
		return // the member has ended it
	case err == io.EOF:
		err = errors.New("closed by the server")
	case !dropped && i.Delay > 0 && failures&(failures-1) == 0:
		level = slog.LevelWarn // with no delay, streamError does
	}
	m.log.Log(context.Background(), level, "disconnected", "stream", i.Stream, "err", err, "again", i.Delay, "failures", failures)
}

func (m *monitor) streamError(i fleet.StreamInfo) {
	m.metrics.openErrors.Inc()
	failures := 0
	m.change(i.Stream, func(s *held) { failures = s.failures })
	if failures&(failures-1) == 0 {
		m.log.Warn("not open", "stream", i.Stream, "err", i.Err, "again", i.Delay)
	}
}

// handlerError sees only refused events: other failures of the output are repeated until the
// member stops or the lease is lost, which is logged elsewhere.
func (m *monitor) handlerError(i fleet.StreamInfo) {
	if p := (*fleet.PanicError)(nil); errors.As(i.Err, &p) {
		m.log.Error("a bug in ssefleet", "stream", i.Stream, "err", i.Err, "stack", string(p.Stack))
		return
	}
	if !errors.Is(i.Err, errRefused) {
		m.log.Info("an event is left to the next member", "stream", i.Stream, "id", i.LastEventID, "err", i.Err)
		return
	}
	m.metrics.refused.Inc()
	m.log.Warn("an event is refused", "stream", i.Stream, "id", i.LastEventID, "attempt", i.Attempt, "err", i.Err, "again", i.Delay)
}

func (m *monitor) trouble(i fleet.TroubleInfo) {
	m.metrics.trouble.WithLabelValues(i.Op).Inc()
	if held, ok := m.limit.pass("bucket " + i.Op); ok {
		m.log.Warn("the bucket fails", "op", i.Op, "stream", i.Stream, "err", i.Err, "again", i.Delay, "unlogged", held)
	}
}

func (m *monitor) rebalanced(i fleet.RebalanceInfo) {
	m.mu.Lock()
	lists := m.shared.Lists
	m.shared = i
	m.mu.Unlock()
	m.log.Info("rebalanced", "members", i.Members, "streams", i.Streams, "share", i.Share)
	if i.Lists > 1 && i.Lists != lists {
		m.log.Warn("the members have different lists", "lists", i.Lists)
	}
}
