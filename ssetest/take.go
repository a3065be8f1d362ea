package ssetest

import (
	"fmt"
	"iter"
	"strings"
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

// Take returns the first n events of a stream, and leaves it. The test fails, with what
// came, if the stream ends before, or if nothing comes for ten seconds (in a
// testing/synctest bubble: a week) and the test has a [Server], which then ends it.
func Take(t testing.TB, events iter.Seq2[sse.Event, error], n int) []sse.Event {
	t.Helper()
	var got []sse.Event
	if n <= 0 {
		return got
	}
	end := watch(t, events, wait(), func(ev sse.Event) bool {
		got = append(got, ev)
		return len(got) < n
	})
	if len(got) < n {
		t.Fatalf("ssetest: want %d events, got %d, then %s\n%s", n, len(got), end, evidence(t, got))
	}
	return got
}

// Await returns the first event of a type, and leaves the stream. Events of other types
// are passed over. It fails as [Take] does.
func Await(t testing.TB, events iter.Seq2[sse.Event, error], typ string) sse.Event {
	t.Helper()
	var got []sse.Event
	end := watch(t, events, wait(), func(ev sse.Event) bool {
		got = append(got, ev)
		return ev.Type != typ
	})
	if len(got) == 0 || got[len(got)-1].Type != typ {
		t.Fatalf("ssetest: want an event of type %q, got %d others, then %s\n%s", typ, len(got), end, evidence(t, got))
	}
	return got[len(got)-1]
}

// None fails the test if an event comes within d, or if the stream ends with an error
// before. It opens the stream, and ends it after d, for which the test must have a [Server].
func None(t testing.TB, events iter.Seq2[sse.Event, error], d time.Duration) {
	t.Helper()
	if len(serversOf(t)) == 0 {
		t.Fatalf("ssetest: None needs a Server of the same test, to end the stream after %s", d)
	}
	var got []sse.Event
	end := watch(t, events, d, func(ev sse.Event) bool {
		got = append(got, ev)
		return false
	})
	if len(got) > 0 || end.err != nil {
		t.Fatalf("ssetest: want no event within %s, got %d, then %s\n%s", d, len(got), end, evidence(t, got))
	}
}

// A streamEnd is how a stream ended for its watcher.
type streamEnd struct {
	err      error
	left     bool          // by the watcher
	timedOut time.Duration // after nothing came for that long
}

func (e streamEnd) String() string {
	switch {
	case e.timedOut > 0:
		return fmt.Sprintf("nothing for %s", e.timedOut)
	case e.err != nil:
		return fmt.Sprintf("the stream ended: %v", e.err)
	case e.left:
		return "no more was asked for"
	}
	return "the stream ended without an error"
}

// watch ranges over events while more wants them. Where d passes without one, the test's
// servers end their streams.
func watch(t testing.TB, events iter.Seq2[sse.Event, error], d time.Duration, more func(sse.Event) bool) (end streamEnd) {
	fired := make(chan struct{})
	servers := serversOf(t)
	timer := time.AfterFunc(d, func() {
		for _, s := range servers {
			s.endStreams()
		}
		close(fired)
	})
	defer func() {
		if !timer.Stop() {
			<-fired
			end.timedOut = d
			for _, s := range servers {
				s.welcomeAgain()
			}
		}
	}()
	for ev, err := range events {
		if err != nil {
			end.err = err
			return end
		}
		if !more(ev) {
			end.left = true
			return end
		}
		if timer.Stop() {
			timer.Reset(d)
		}
	}
	return end
}

// wait returns how long to wait for an event. A bubble's clock starts in the year 2000.
func wait() time.Duration {
	if time.Now().Year() < 2020 {
		return fakePatience
	}
	return patience
}

// evidence is what a failure shows.
func evidence(t testing.TB, got []sse.Event) string {
	var out strings.Builder
	out.WriteString("events:\n")
	for _, ev := range got {
		out.WriteString("  " + describe(ev) + "\n")
	}
	if len(got) == 0 {
		out.WriteString("  none\n")
	}
	if wire := transcripts(t); wire != "" {
		out.WriteString("connections:\n" + wire)
	}
	return out.String()
}

func describe(ev sse.Event) string {
	return fmt.Sprintf("event %s %q id %q", ev.Type, ev.Data, ev.LastEventID)
}
