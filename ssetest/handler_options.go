package ssetest

import (
	"net/http"
	"testing"
)

// An Option tells [TestHandler] what a handler needs, or what it cannot do by design.
type Option func(*handlerOptions)

type handlerOptions struct {
	request func(*http.Request)
	publish func(n int)
	anew    func(t testing.TB) http.Handler
	without map[string]string // a subtest, and the reason
}

func newHandlerOptions(opts []Option) *handlerOptions {
	options := &handlerOptions{without: make(map[string]string)}
	for _, opt := range opts {
		opt(options)
	}
	return options
}

// WithRequest has prepare called for each request, to set a path, a query or credentials.
func WithRequest(prepare func(*http.Request)) Option {
	return func(o *handlerOptions) { o.request = prepare }
}

// WithPublish has publish called each second of the first ten, with n counted from 1, while
// a stream is observed. It is for handlers that send what others publish. Each call must
// bring at least one event to each client, and at once.
func WithPublish(publish func(n int)) Option {
	return func(o *handlerOptions) { o.publish = publish }
}

// WithNew has newHandler make the handler of each subtest, in its bubble; the handler that
// TestHandler is given is not used, and may be nil. It serves handlers that have goroutines,
// channels or timers of their own. Goroutines that the handler has started must end with the
// test: t.Cleanup stops them.
func WithNew(newHandler func(t testing.TB) http.Handler) Option {
	return func(o *handlerOptions) { o.anew = newHandler }
}

// WithoutIDs leaves out what needs IDs, for a stream that cannot be resumed by design:
// clients lose what was sent while they were not connected.
func WithoutIDs(reason string) Option {
	return without(reason, "IDs", "resumption", "unknown ID")
}

// WithoutHeartbeats leaves out that a stream must not be silent for a minute, for a stream
// that passes no proxy, and whose clients do not watch for silence.
func WithoutHeartbeats(reason string) Option { return without(reason, "heartbeat") }

// WithoutProxies leaves out the header field that keeps nginx from buffering, for a stream
// that passes no such proxy, or one that is configured not to buffer.
func WithoutProxies(reason string) Option { return without(reason, "no proxy buffering") }

func without(reason string, names ...string) Option {
	return func(o *handlerOptions) {
		for _, name := range names {
			o.without[name] = reason
		}
	}
}
