package ssetest

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What TestHandler asks of a handler, in the fake time of its bubbles.
const (
	observed    = 10 * time.Minute       // how long a stream is watched
	maxObserved = 256 << 10              // bytes of it
	maxSilence  = time.Minute            // without a byte
	maxHeader   = time.Second            // until the response's header
	maxDelay    = 500 * time.Millisecond // until an event that was written or published has arrived
	maxLeaving  = closeWait              // for a handler, once its client has left
	maxHEAD     = 10 * time.Second       // for a handler to answer HEAD
	minRetry    = 10 * time.Millisecond
	maxRetry    = time.Hour
	backlog     = 5 // events that a client which reconnects has missed
	publishings = 10
)

// stuckAfter is the real time after which a subtest of TestHandler whose bubble does not
// get on says why that may be.
var stuckAfter = time.Minute

// TestHandler tests that a handler serves a well-behaved event stream, with a subtest for
// each thing that clients and proxies need. A failure says what is wrong, what it does to
// clients, and the clause of a standard or the proxy that asks for it.
//
// A request without Last-Event-ID should bring events within ten minutes of fake time, by
// itself or through [WithPublish]. To resume, a handler needs its last six events.
//
// Each subtest serves the handler with a server of its own, in a testing/synctest bubble, so
// t must not be a bubble's. The handler's own goroutines and channels must belong to that
// bubble: those that the handler makes for a request do. A handler with a mutex and a map of
// its clients can be made before the call. One that has a goroutine, a channel or a timer
// from before the call cannot be tested so: fake time stops while a goroutine waits for a
// channel from outside, and the runtime ends the program when a goroutine from outside uses
// a channel of the bubble. Use [WithNew] for it, which makes the handler in each bubble.
func TestHandler(t *testing.T, h http.Handler, opts ...Option) {
	options := newHandlerOptions(opts)
	for _, check := range handlerChecks {
		t.Run(check.name, func(t *testing.T) {
			if reason, ok := options.without[check.name]; ok {
				t.Skipf("ssetest: left out: %s", reason)
			}
			check.inBubble(t, func(t *testing.T) { check.test(t, h, options) })
		})
	}
}

// A handlerCheck is a subtest of TestHandler.
type handlerCheck struct {
	name string
	run  func(*trial)
}

var handlerChecks = []handlerCheck{
	{"media type", (*trial).mediaType},
	{"header at once", (*trial).headerAtOnce},
	{"no length and no coding", (*trial).noCoding},
	{"no caching", (*trial).noCaching},
	{"no proxy buffering", (*trial).noBuffering},
	{"HTTP/2", (*trial).http2},
	{"events finished and flushed", (*trial).flushed},
	{"UTF-8", (*trial).utf8},
	{"line breaks", (*trial).lineBreaks},
	{"heartbeat", (*trial).heartbeat},
	{"IDs", (*trial).ids},
	{"resumption", (*trial).resumption},
	{"unknown ID", (*trial).unknownID},
	{"retry", (*trial).retry},
	{"client leaves", (*trial).clientLeaves},
	{"HEAD", (*trial).head},
	{"second client", (*trial).secondClient},
}

// inBubble runs test in a bubble. A handler that never returns keeps the bubble from ending,
// for which synctest panics; the subtest about clients that leave has reported it.
func (check handlerCheck) inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	stuck := time.AfterFunc(stuckAfter, func() {
		fmt.Fprintf(os.Stderr, "ssetest: %s: fake time has not passed for %s; was a channel or a goroutine of the handler made before TestHandler was called? See ssetest.WithNew\n", t.Name(), stuckAfter)
	})
	defer stuck.Stop()
	defer func() {
		if v := recover(); v != nil {
			if !strings.Contains(fmt.Sprint(v), "blocked goroutines remain") {
				panic(v)
			}
			t.Logf("ssetest: the handler, or a goroutine of its, is still blocked at the end: %v", v)
		}
	}()
	skipped := false
	synctest.Test(t, func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		test(t)
	})
	if skipped {
		t.SkipNow() // synctest passes on what fails, but not what is skipped
	}
}

// test runs the check, in a bubble.
func (check handlerCheck) test(t testing.TB, h http.Handler, options *handlerOptions) {
	tr := &trial{t: t, options: options, handler: h}
	if options.anew != nil {
		tr.handler = options.anew(t)
	}
	tr.srv = tr.serve(false)
	check.run(tr)
}

// A trial is a handler under test.
type trial struct {
	t       testing.TB
	options *handlerOptions
	handler http.Handler
	srv     *Server
	active  atomic.Int32 // calls of the handler

	mu        sync.Mutex
	records   []*record
	published []time.Time
}

// serve starts a server of the handler.
func (tr *trial) serve(http2 bool) *Server {
	s := newServer(tr.t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr.active.Add(1)
		defer tr.active.Add(-1)
		tr.handler.ServeHTTP(w, r)
	}), http2)
	s.trial = tr
	return s
}

// http2InBubbles reports whether net/http's HTTP/2 server runs in several bubbles. Go 1.25's
// keeps channels in a pool, from one bubble to the next.
func http2InBubbles() bool { return !strings.HasPrefix(runtime.Version(), "go1.25") }
