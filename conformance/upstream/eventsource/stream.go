package eventsource

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

// A Stream puts what a sse.Stream returns into channels. Both are closed when it is over.
type Stream struct {
	Events chan Event
	Errors chan error // nil if there is a StreamErrorHandler

	stream *sse.Stream
	settings
	mu        sync.Mutex // guards settings.logger
	closeOnce sync.Once
	closing   chan struct{} // closed by Close
	opened    chan struct{} // closed when the stream opens for the first time
	done      chan struct{} // closed when the stream is over, after err is set
	reported  bool          // the error that has ended the connection is known to the caller
	err       error         // the last error
}

// Subscribe opens the stream at url.
func Subscribe(url, lastEventID string) (*Stream, error) {
	return SubscribeWithURL(url, StreamOptionLastEventID(lastEventID))
}

// SubscribeWithURL opens the stream at url.
func SubscribeWithURL(url string, options ...StreamOption) (*Stream, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return SubscribeWithRequestAndOptions(req, options...)
}

// SubscribeWithRequest opens the stream that request asks for.
func SubscribeWithRequest(lastEventID string, request *http.Request) (*Stream, error) {
	return SubscribeWithRequestAndOptions(request, StreamOptionLastEventID(lastEventID))
}

// SubscribeWith opens the stream that request asks for, by way of client.
func SubscribeWith(lastEventID string, client *http.Client, request *http.Request) (*Stream, error) {
	return SubscribeWithRequestAndOptions(request, StreamOptionHTTPClient(client), StreamOptionLastEventID(lastEventID))
}

// SubscribeWithRequestAndOptions opens the stream that request asks for. It returns when the
// stream is open, or has failed.
func SubscribeWithRequestAndOptions(request *http.Request, options ...StreamOption) (*Stream, error) {
	s := &Stream{
		Events:  make(chan Event),
		closing: make(chan struct{}),
		opened:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	s.client.ReconnectionTime = DefaultInitialRetry
	s.waits.reset = DefaultRetryResetInterval
	for _, o := range options {
		o.apply(&s.settings)
	}
	if s.handler == nil {
		s.Errors = make(chan error)
	}
	s.client.CheckResponse = checkStatus
	s.client.Reconnect = s.reconnect
	s.client.NewBackoff = func(initial time.Duration) sse.Backoff {
		s.waits.first = initial
		return &s.waits
	}
	s.client.Trace = &sse.Trace{
		Connect:    func(*http.Request) { s.reported = false },
		Open:       s.open,
		Disconnect: s.disconnected,
	}
	request = request.Clone(request.Context())
	if s.lastEventID != "" {
		request.Header.Set("Last-Event-ID", s.lastEventID)
	}
	s.stream = s.client.Stream(request)
	go s.run()
	return s.wait()
}

// wait returns when the stream is open, is over, or has not opened in time.
func (s *Stream) wait() (*Stream, error) {
	var timeout <-chan time.Time
	if s.retryFirst > 0 {
		timeout = time.After(s.retryFirst)
	}
	select {
	case <-s.opened:
		return s, nil
	case <-timeout:
		s.Close()
		<-s.done
	case <-s.done:
	}
	if s.hasOpened() {
		return s, nil
	}
	if s.err == nil {
		s.err = errors.New("eventsource: the stream did not open")
	}
	return nil, s.err
}

// run reads the stream to its end.
func (s *Stream) run() {
	for ev, err := range s.stream.Events() {
		switch {
		case err == nil:
			s.waits.received()
			select {
			case s.Events <- received{ev, s.stream.Response().Header}: //nolint:bodyclose // the stream closes it
			case <-s.closing:
			}
		case !s.reported:
			s.report(err)
		}
	}
	close(s.Events)
	if s.Errors != nil {
		close(s.Errors)
	}
	close(s.done)
}

// checkStatus opens the stream for each response of status 200, whatever its media type.
func checkStatus(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return sse.CheckResponse(resp)
}

// reconnect is the policy: always, unless the handler objects or the first connection is not
// to be retried. A new connection would meet an event that is too large again.
func (s *Stream) reconnect(err error) bool {
	more := s.report(err)
	return more && (s.hasOpened() || s.retryFirst != 0) && !errors.Is(err, sse.ErrEventTooLarge)
}

// report passes an error to the caller, and returns whether the stream continues.
func (s *Stream) report(err error) bool {
	s.reported, s.err = true, translate(err)
	if s.handler != nil {
		if !s.hasOpened() && s.retryFirst == 0 {
			return false // Subscribe returns the error
		}
		return !s.handler(s.err).CloseNow
	}
	if s.hasOpened() {
		select {
		case s.Errors <- s.err:
		case <-s.closing:
		}
	}
	return true
}

func (s *Stream) open(*http.Response) {
	if !s.hasOpened() {
		close(s.opened)
	}
}

func (s *Stream) hasOpened() bool {
	select {
	case <-s.opened:
		return true
	default:
		return false
	}
}

func (s *Stream) disconnected(info sse.DisconnectInfo) {
	s.mu.Lock()
	logger := s.logger
	s.mu.Unlock()
	if info.Reconnect && logger != nil {
		logger.Printf("Connecting again in %v: %v", info.Delay, info.Err)
	}
}

// SetLogger sets the logger.
func (s *Stream) SetLogger(logger Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logger = logger
}

// Restart drops the connection and connects again. The first time it does so without a wait,
// which the API that this one is like would begin with.
func (s *Stream) Restart() { s.stream.Restart(nil) }

// Close ends the stream.
func (s *Stream) Close() {
	s.closeOnce.Do(func() { close(s.closing) })
	s.stream.Close()
}
