package ssetest

import (
	"io"
	"net/http"
	"slices"
	"testing/synctest"
	"time"

	"github.com/lastevent/sse"
)

// What TestHandler asks of a handler with several clients, and of one whose clients leave.

func (tr *trial) clientLeaves() {
	v := tr.open(tr.srv, http.MethodGet, "")
	select {
	case <-v.done:
	case <-time.After(5 * time.Second):
	}
	v.leave()
	time.Sleep(maxLeaving)
	if n := tr.active.Load(); n > 0 {
		tr.t.Errorf("ssetest: the handler runs %s after its client left; clients that reconnect pile up, and so do what they hold; return when http.Request.Context is done", maxLeaving)
	}
}

func (tr *trial) head() {
	v := tr.open(tr.srv, http.MethodHead, "")
	time.Sleep(maxHEAD)
	synctest.Wait()
	if n := tr.active.Load(); n > 0 {
		tr.t.Errorf("ssetest: the handler runs %s after a HEAD request; its client waits, and the connection stays occupied; return after the header (RFC 9110 §9.3.2); 405 serves, too", maxHEAD)
	}
	v.leave()

	first := tr.open(tr.srv, http.MethodGet, "")
	synctest.Wait()
	tr.open(tr.srv, http.MethodHead, "")
	time.Sleep(maxHEAD)
	synctest.Wait()
	if err := first.ended(); first.opened() && err != nil && err != io.EOF {
		tr.t.Errorf("ssetest: a HEAD request cut the stream of another client: %v; it should change nothing (RFC 9110 §9.2.1)", err)
	}
}

// secondClient compares a stream on which a second client comes and leaves with one that a
// client has for itself.
func (tr *trial) secondClient() {
	const window = (publishings + 1) * time.Second
	solo := tr.stream()
	first := tr.open(tr.srv, http.MethodGet, "")
	synctest.Wait()
	second := tr.open(tr.srv, http.MethodGet, "")
	tr.observe(window, second)
	want := 0 // events that are published while both are there
	if tr.options.publish != nil {
		want = min(publishings, solo.arrived(solo.start, window))
	}
	tr.shared(first.events(), second.events(), want)
	second.leave()
	left := time.Now()
	tr.observe(observed-left.Sub(first.start), first)
	sinceThen := solo.bytesAfter(solo.start.Add(left.Sub(first.start)))
	err := first.ended()
	switch {
	case first.full() || solo.full():
	case err != nil && err != io.EOF:
		tr.t.Errorf("ssetest: the stream of a first client was cut once there was a second: %v; when both reconnect, they cut each other's streams for ever (HTML §9.2.2: each EventSource has its own)", err)
	case err == io.EOF && solo.ended() != io.EOF:
		tr.t.Errorf("ssetest: the stream of a first client ended once there was a second; when both reconnect, they end each other's streams for ever (HTML §9.2.2: each EventSource has its own)")
	case first.bytesAfter(left) == 0 && sinceThen > 0:
		tr.t.Errorf("ssetest: a first client gets nothing once a second has left; it stays connected, and does not notice it (HTML §9.2.2: each EventSource has its own stream)")
	}
}

// shared looks for events that only one of two clients got.
func (tr *trial) shared(one, two []sse.Event, want int) {
	const effect = "each loses what the other gets; send each event to each client (HTML §9.2.2: each EventSource has its own stream)"
	fewer := min(len(one), len(two))
	switch {
	case fewer == 0 && len(one)+len(two) > 0:
		tr.t.Errorf("ssetest: of two clients at a time the first got %d events, the second %d; %s", len(one), len(two), effect)
	case fewer < want:
		tr.t.Errorf("ssetest: of %d published events two clients at a time got %d and %d; %s", want, len(one), len(two), effect)
	case fewer > 1 && disjoint(one, two):
		tr.t.Errorf("ssetest: two clients at a time got %d and %d events, and no ID in common; %s", len(one), len(two), effect)
	}
}

// disjoint reports whether no ID is in both.
func disjoint(one, two []sse.Event) bool {
	for _, ev := range one {
		if slices.ContainsFunc(two, func(other sse.Event) bool { return other.LastEventID == ev.LastEventID }) {
			return false
		}
	}
	return true
}
