package load

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// errOver is the cause of the streams' context when the run is over.
var errOver = errors.New("load: the run is over")

// A run is what Run does.
type run struct {
	cfg       Config
	start     time.Time
	transport http.RoundTripper
	limits    Limits

	requests  []*http.Request // without Config.Request: one for each URL
	streams   []*stream       // the first started of them are
	started   atomic.Int64
	streaming sync.WaitGroup // the streams' goroutines
	following atomic.Int64   // streams that are not over, started or not
	allOver   chan struct{}  // closed when there is none
	stopped   atomic.Bool    // what is read from now on does not count

	wantsEvents bool // a function of cfg gets events
	publisher   *publisher

	open, openedOnce     atomic.Int64
	attempts, reconnects atomic.Int64
	drops, killed, lost  atomic.Int64

	ends, failures, refusals causes
	connect, header          histogram
	firstEvent, firstSays    histogram
	reconnect                histogram
	event, late              busyHistogram
	skew                     *skew
	storms                   *storms
	examples                 examples
	timeline                 *timeline
	clock                    clock
	topics                   []*topic
}

// Run opens the streams of cfg, holds them, and reports what it measured. It returns an error, with no
// report, if cfg is not valid, and the report with the context's cause if the context ends before Ramp
// and Duration have passed. Without a Duration, the end of the context is the end of the run, and no error.
//
// Run ends early when all streams are over.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	memory := residentMemory()
	r, err := newRun(ctx, cfg)
	if err != nil {
		return nil, err
	}
	streams, cancel := context.WithCancelCause(ctx)
	defer cancel(errOver)
	for _, url := range cfg.URLs {
		req, err := http.NewRequestWithContext(streams, http.MethodGet, url, http.NoBody)
		if err != nil {
			return nil, err
		}
		r.requests = append(r.requests, req)
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { r.clock.run(streams) })
	t := &ticker{run: r}
	helpers.Go(func() { t.follow(streams.Done()) })
	if r.publisher != nil {
		helpers.Go(func() { r.publisher.run(streams) })
	}
	for _, k := range cfg.Kill {
		helpers.Go(func() { r.killAt(streams, k) })
	}
	r.ramp(streams)
	ramp := r.mark()
	end := r.hold(ctx)
	report := r.stop(t, memory, ramp)
	cancel(errOver)
	r.streaming.Wait()
	helpers.Wait()
	r.complete(report)
	if cfg.Progress != nil {
		last := Second{}
		if n := len(report.Timeline); n > 0 {
			last = report.Timeline[n-1]
		}
		last.Open = report.Streams.Held
		cfg.Progress(t.snapshot(last, report.Elapsed, true))
	}
	return report, end
}

func newRun(ctx context.Context, cfg Config) (*run, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	least := leastDropped
	if cfg.ExpectRestart {
		least = 1
	}
	r := &run{
		limits:      Preflight(ctx, cfg),
		transport:   cfg.Transport,
		allOver:     make(chan struct{}),
		wantsEvents: cfg.Sequence != nil || cfg.Time != nil || cfg.Says != nil,
		skew:        newSkew(),
		storms:      newStorms(least),
		timeline:    newTimeline(),
	}
	r.cfg = cfg
	r.streams = make([]*stream, min(cfg.Streams, r.limits.Streams))
	r.following.Store(int64(len(r.streams)))
	if len(r.streams) == 0 {
		close(r.allOver)
	}
	topics := make(map[string]*topic)
	for i := range r.streams {
		name := cfg.Topic(i, cfg.URLs[i%len(cfg.URLs)])
		t := topics[name]
		if t == nil {
			t = newTopic(len(r.topics))
			topics[name] = t
			r.topics = append(r.topics, t)
		}
		t.streams++
		r.streams[i] = &stream{run: r, i: i, topic: t, base: none, due: share(cfg.Ramp, i, cfg.Streams), slow: isSlow(cfg.Slow.Fraction, i)}
		r.streams[i].greatest.Store(none)
	}
	if r.transport == nil {
		r.transport = r.newTransport()
	}
	r.start = time.Now()
	if cfg.Publish != nil {
		r.publisher = newPublisher(&cfg, r.start)
	}
	return r, nil
}

// share returns i/n of d.
func share(d time.Duration, i, n int) time.Duration {
	return time.Duration(float64(d) * float64(i) / float64(n))
}

// isSlow reports whether stream i is one of a fraction, which is spread evenly over all streams.
func isSlow(fraction float64, i int) bool {
	return math.Floor(float64(i+1)*fraction+1e-9) > math.Floor(float64(i)*fraction+1e-9)
}

// now returns the time since the start.
func (r *run) now() time.Duration { return time.Since(r.start) }

// ramp starts each stream when it is due.
func (r *run) ramp(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, st := range r.streams {
		if wait := st.due - r.now(); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return
		}
		st.ctx = ctx
		r.streaming.Add(1)
		r.started.Add(1)
		go st.follow()
	}
}

// hold waits for the end of the run, and returns why it is before its time.
func (r *run) hold(ctx context.Context) error {
	var end <-chan time.Time
	if r.cfg.Duration > 0 {
		timer := time.NewTimer(r.cfg.Ramp + r.cfg.Duration - r.now())
		defer timer.Stop()
		end = timer.C
	}
	select {
	case <-end:
		return nil
	case <-r.allOver:
		return nil
	case <-ctx.Done():
		if r.cfg.Duration == 0 {
			return nil
		}
		return context.Cause(ctx)
	}
}

// killAt cuts connections when it is time.
func (r *run) killAt(ctx context.Context, k Kill) {
	timer := time.NewTimer(k.At - r.now())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	var open []*body
	for _, st := range r.streams[:r.started.Load()] {
		if b := st.body.Load(); b != nil && st.state.Load() == isOpen {
			open = append(open, b)
		}
	}
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	n := int(k.Fraction*float64(len(open)) + 0.5)
	if n == 0 {
		return
	}
	c := r.storms.kill(r.now())
	for _, b := range open[:n] {
		b.kill(c)
	}
}
