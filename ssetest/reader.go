package ssetest

import (
	"fmt"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lastevent/sse"
)

// How long Take and Await wait for an event before they fail: a test's patience in real
// time, and so long in a bubble's that no stream is silent for it.
const (
	patience     = 10 * time.Second
	fakePatience = 7 * 24 * time.Hour
)

// Take returns the first n events of a stream, and leaves the stream. The test fails, with
// what came, if the stream ends before, or if nothing comes for ten seconds (in a
// testing/synctest bubble: a week).
//
// Each call opens a stream of its own. Use [Open] to take events from one stream in
// several steps.
func Take(t testing.TB, events iter.Seq2[sse.Event, error], n int) []sse.Event {
	t.Helper()
	r := Open(t, events)
	defer r.close()
	return r.Take(n)
}

// Await returns the first event of a type, and leaves the stream. Events of other types
// are passed over. It fails as [Take] does.
func Await(t testing.TB, events iter.Seq2[sse.Event, error], typ string) sse.Event {
	t.Helper()
	r := Open(t, events)
	defer r.close()
	return r.Await(typ)
}

// NoEvents fails the test if an event comes within d, or if the stream ends with an error
// before. It opens the stream, and ends it after d, for which the test must have a [Server].
func NoEvents(t testing.TB, events iter.Seq2[sse.Event, error], d time.Duration) {
	t.Helper()
	if len(serversOf(t)) == 0 {
		t.Fatalf("ssetest: NoEvents needs a Server of the same test, to end the stream after %s", d)
	}
	r := Open(t, events)
	defer r.close()
	r.NoEvents(d)
}

// A Reader takes events from one stream, step by step: a test publishes, expects,
// publishes again, and expects what follows.
//
// The stream runs on a goroutine of the Reader's own, which takes one event at a time: an
// event counts as handled when the next one is asked for. A call that has waited in vain
// ends nothing, and the next call continues on the same stream. A Reader is for one
// goroutine at a time.
type Reader struct {
	t      testing.TB
	events iter.Seq2[sse.Event, error]

	// On the goroutine of the test.
	started bool
	asked   bool // for an event that has not been taken yet
	over    bool // the stream has ended; last says how

	ask  chan struct{}
	next chan sse.Event // closed at the end of the stream
	quit chan struct{}  // closed to leave the stream
	once sync.Once      // for quit
	done chan struct{}  // closed when the stream's goroutine has returned
	last streamEnd      // to be read once next is closed

	ending    atomic.Bool // the servers end this stream: see Server.ends
	mu        sync.Mutex
	exchanges []*exchange // of this stream, with any Server
}

// Open returns a Reader of a stream. The first call of one of its methods opens the
// stream; the end of the test ends it.
//
// In a testing/synctest bubble call it with the bubble's t.
func Open(t testing.TB, events iter.Seq2[sse.Event, error]) *Reader {
	r := &Reader{
		t: t, events: events,
		ask: make(chan struct{}), next: make(chan sse.Event),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	t.Cleanup(func() {
		if !r.close() {
			t.Errorf("ssetest: a stream continues %s after the test left it; give its request the test's Context", wait())
		}
	})
	return r
}

// Take returns the next n events. The test fails, with what came, if the stream ends
// before, or if nothing comes for ten seconds (in a testing/synctest bubble: a week).
func (r *Reader) Take(n int) []sse.Event {
	r.t.Helper()
	var got []sse.Event
	for len(got) < n {
		ev, end := r.pull(wait())
		if end != nil {
			r.t.Fatalf("ssetest: want %d events, got %d, then %s\n%s", n, len(got), end, evidence(r.t, got))
			break // for a testing.TB of the caller's whose Fatalf returns
		}
		got = append(got, ev)
	}
	return got
}

// Await returns the next event of a type. Events of other types are passed over. It fails
// as Take does.
func (r *Reader) Await(typ string) sse.Event {
	r.t.Helper()
	var got []sse.Event
	for {
		ev, end := r.pull(wait())
		if end != nil {
			r.t.Fatalf("ssetest: want an event of type %q, got %d others, then %s\n%s", typ, len(got), end, evidence(r.t, got))
			return sse.Event{}
		}
		if ev.Type == typ {
			return ev
		}
		got = append(got, ev)
	}
}

// NoEvents fails the test if an event comes within d, or if the stream ends with an error
// before. The stream stays open.
func (r *Reader) NoEvents(d time.Duration) {
	r.t.Helper()
	ev, end := r.pull(d)
	switch {
	case end == nil:
		r.t.Fatalf("ssetest: want no event within %s, got one\n%s", d, evidence(r.t, []sse.Event{ev}))
	case end.err != nil:
		r.t.Fatalf("ssetest: want no event within %s, got none, then %s\n%s", d, end, evidence(r.t, nil))
	}
}

// A streamEnd is why there is no next event: the stream has ended, or none has come yet.
type streamEnd struct {
	err      error
	timedOut time.Duration // nothing came for that long

	panicked any  // what the sequence panicked with
	exited   bool // the sequence called runtime.Goexit, as FailNow does
}

func (e *streamEnd) String() string {
	switch {
	case e.timedOut > 0:
		return fmt.Sprintf("nothing for %s", e.timedOut)
	case e.err != nil:
		return fmt.Sprintf("the stream ended: %v", e.err)
	case e.exited:
		return "the sequence called runtime.Goexit"
	}
	return "the stream ended without an error"
}

// pull returns the next event, for which it waits at most for d, or why there is none.
func (r *Reader) pull(d time.Duration) (sse.Event, *streamEnd) {
	if r.over {
		return sse.Event{}, &r.last
	}
	if !r.started {
		r.started, r.asked = true, true
		go r.run()
	}
	if !r.asked {
		r.ask <- struct{}{}
		r.asked = true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case ev, ok := <-r.next:
		return r.take(ev, ok)
	case <-timer.C:
	}
	select {
	case ev, ok := <-r.next: // at the same time
		return r.take(ev, ok)
	default:
		return sse.Event{}, &streamEnd{timedOut: d}
	}
}

func (r *Reader) take(ev sse.Event, ok bool) (sse.Event, *streamEnd) {
	if ok {
		r.asked = false
		return ev, nil
	}
	r.over = true
	if v := r.last.panicked; v != nil {
		r.last.panicked = nil
		panic(v)
	}
	if r.last.exited {
		runtime.Goexit() // the test has failed, or is skipped
	}
	return sse.Event{}, &r.last
}

// run ranges over the stream, and hands over an event each time that one is asked for.
func (r *Reader) run() {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			r.last.panicked = v
		} else {
			r.last.exited = !returned
		}
		close(r.next)
		close(r.done)
	}()
	callAs(r, func() {
		for ev, err := range r.events {
			if err != nil {
				r.last.err = err
				return
			}
			select {
			case r.next <- ev:
			case <-r.quit:
				return
			}
			select {
			case <-r.ask:
			case <-r.quit:
				return
			}
		}
	})
	returned = true
}

// close leaves the stream. A stream that waits for its server is ended by the servers. It
// reports whether the stream has ended, which a client that does not watch its context
// and that waits to reconnect may not do in time.
func (r *Reader) close() bool {
	r.once.Do(func() { close(r.quit) })
	if !r.started {
		return true
	}
	if r.asked {
		defer endStream(r)()
	}
	timer := time.NewTimer(wait())
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
		return false
	}
	r.over = true
	if v := r.last.panicked; v != nil {
		r.last.panicked = nil
		panic(v)
	}
	return true
}

// wait returns how long to wait for an event.
func wait() time.Duration {
	if inBubble() {
		return fakePatience
	}
	return patience
}

// inBubble reports whether time is that of a testing/synctest bubble, which starts in the
// year 2000.
func inBubble() bool { return time.Now().Year() < 2020 }
