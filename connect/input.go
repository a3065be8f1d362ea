package connect

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"github.com/lastevent/sse"
	"github.com/redpanda-data/benthos/v4/public/service"
)

func init() {
	service.MustRegisterInput("sse", spec(), func(p *service.ParsedConfig, r *service.Resources) (service.Input, error) {
		return newInput(p, r)
	})
}

// An input merges the streams of its URLs. One goroutine reads each of them, and waits where
// the pipeline does not take its event.
type input struct {
	streams   []*stream
	replay    bool // rejected messages are delivered again
	transport *http.Transport
	log       *service.Logger
	meters    *meters

	items chan item
	ended chan struct{} // closed when all streams have ended and their events are handled

	cancel  context.CancelFunc // nil before the first Connect
	stop    <-chan struct{}    // closed by cancel
	readers sync.WaitGroup
	savers  sync.WaitGroup

	mu      sync.Mutex
	opened  bool             // one of the streams has been open
	failed  map[string]error // by label: the last error that no Connect has returned yet
	changed chan struct{}    // one in it if one of these has changed
}

// meters are the metrics, whose label is that of a stream.
type meters struct {
	open           *service.MetricGauge
	disconnects    *service.MetricCounter
	failures       *service.MetricCounter
	positionErrors *service.MetricCounter
	dropped        *service.MetricCounter
}

func newInput(p *service.ParsedConfig, r *service.Resources) (*input, error) {
	conf, err := parse(p)
	if err != nil {
		return nil, err
	}
	if conf.cache != "" && !r.HasCache(conf.cache) {
		return nil, errors.New("position.cache: there is no cache resource " + conf.cache)
	}
	transport, err := newTransport(p)
	if err != nil {
		return nil, err
	}
	tokens, err := newTokens(p, transport, conf.headerTimeout)
	if err != nil {
		return nil, err
	}
	sign, err := p.HTTPRequestAuthSignerFromParsed()
	if err != nil {
		return nil, err
	}
	replay, err := p.FieldBool(service.AutoRetryNacksToggleFieldName)
	if err != nil {
		return nil, err
	}
	m := r.Metrics()
	in := &input{
		replay:    replay,
		transport: transport,
		log:       r.Logger(),
		meters: &meters{
			open:           m.NewGauge("sse_open", "stream"),
			disconnects:    m.NewCounter("sse_disconnects", "stream"),
			failures:       m.NewCounter("sse_failures", "stream"),
			positionErrors: m.NewCounter("sse_position_errors", "stream"),
			dropped:        m.NewCounter("sse_dropped", "stream"),
		},
		items:   make(chan item),
		ended:   make(chan struct{}),
		failed:  make(map[string]error),
		changed: make(chan struct{}, 1),
	}
	names := labels(conf.urls)
	for i, raw := range conf.urls {
		origin, err := url.Parse(raw)
		if err != nil {
			return nil, err
		}
		s := &stream{conf: &conf, url: raw, public: public(raw), label: names[i], log: in.log, meters: in.meters}
		if conf.cache != "" {
			s.store = &store{resources: r, cache: conf.cache, key: conf.positionKey(raw)}
		}
		s.client = sse.Client{
			HTTPClient: &http.Client{
				Timeout: conf.headerTimeout,
				Transport: &signer{
					base: transport, origin: origin, headers: conf.headers, tokens: tokens,
					sign: func(req *http.Request) error { return sign(r.FS(), req) },
				},
			},
			Reconnect:        conf.policy(),
			ReconnectionTime: conf.reconnectTime,
			IdleTimeout:      conf.idleTimeout,
			MaxEventSize:     conf.maxEventSize,
			Trace:            s.trace(in.noteOpen, func(err error) { in.noteFailure(s.label, err) }),
		}
		in.streams = append(in.streams, s)
	}
	return in, nil
}

// Connect waits until one of the streams is open. Attempts that fail before are errors of
// Connect, so that the framework reports them as those of any other input. Later on,
// the streams reconnect on their own, while the others are read.
func (in *input) Connect(ctx context.Context) error {
	if in.cancel == nil {
		for _, s := range in.streams {
			if err := s.begin(ctx); err != nil {
				return err
			}
		}
		in.start()
	}
	for {
		select {
		case <-in.changed:
			if opened, err := in.news(); opened || err != nil {
				return err
			}
		case <-in.ended:
			return service.ErrEndOfInput
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// start starts all goroutines.
func (in *input) start() {
	ctx, cancel := context.WithCancel(context.Background())
	in.stop, in.cancel = ctx.Done(), cancel
	for _, s := range in.streams {
		in.readers.Go(func() { s.run(ctx, in.items) })
		if s.store != nil {
			in.savers.Go(func() { s.checkpoint.run(ctx) })
		}
	}
	go func() {
		in.readers.Wait()
		close(in.ended)
	}()
}

func (in *input) noteOpen() {
	in.mu.Lock()
	in.opened = true
	in.mu.Unlock()
	in.wake()
}

func (in *input) noteFailure(label string, err error) {
	in.mu.Lock()
	if !in.opened { // otherwise no Connect is waiting for it
		in.failed[label] = err
	}
	in.mu.Unlock()
	in.wake()
}

func (in *input) wake() {
	select {
	case in.changed <- struct{}{}:
	default:
	}
}

// news returns whether a stream has been open, or else what has failed since the last call.
func (in *input) news() (opened bool, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	var errs []error
	for _, err := range in.failed {
		errs = append(errs, err)
	}
	clear(in.failed)
	if in.opened {
		return true, nil
	}
	return false, errors.Join(errs...)
}

// Read returns the next event of any stream.
func (in *input) Read(ctx context.Context) (*service.Message, service.AckFunc, error) {
	select {
	case it := <-in.items:
		m, ack := in.deliver(it)
		return m, ack, nil
	case <-in.ended:
		return nil, nil, service.ErrEndOfInput
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// Close ends all streams and stores their positions.
func (in *input) Close(ctx context.Context) error {
	if in.cancel == nil {
		return nil
	}
	in.cancel()
	in.readers.Wait()
	in.savers.Wait()
	in.transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	var flushes sync.WaitGroup
	for _, s := range in.streams {
		if s.store == nil {
			continue
		}
		flushes.Go(func() {
			if !s.checkpoint.flush(ctx) {
				in.log.Errorf("Stream %s: the position could not be stored, events will be repeated", s.label)
			}
		})
	}
	flushes.Wait()
	return nil
}
