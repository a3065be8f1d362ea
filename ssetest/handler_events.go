package ssetest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lastevent/sse"
)

// What TestHandler asks of the events.

func (tr *trial) flushed() {
	v := tr.watch(tr.srv, "")
	if at, late := tr.late(v); late > 0 {
		tr.t.Fatalf("ssetest: the event that the handler wrote %s after the request did not reach its client for %s; flush each event, or clients get it late or never: net/http keeps up to 2 KiB back (http.ResponseController.Flush)", at.Sub(v.start), late)
	}
	switch {
	case v.resp == nil:
		tr.t.Skipf("ssetest: there was no response within %s, and nothing that should have been sent", observed)
	case v.resp.StatusCode != http.StatusOK:
		tr.t.Skipf("ssetest: the status is %q: see the subtest about the media type", v.resp.Status)
	}
	if len(v.events()) == 0 {
		tr.t.Fatalf("ssetest: no event came to the client within %s; does the handler flush each event, and end it by an empty line (HTML §9.2.6)? Does it need WithPublish?", observed)
	}
	tr.finished(v)
	for i, at := range tr.published {
		if v.arrived(at, maxDelay) == 0 && !v.over {
			tr.t.Fatalf("ssetest: what was published at %s (number %d) brought no event within %s; clients get it late, with the next event or heartbeat, or never; send and flush it at once (http.ResponseController.Flush)", at.Sub(v.start), i+1, maxDelay)
		}
	}
}

// late returns the first event that the handler wrote and that did not reach its client at
// once, and how late it was.
func (tr *trial) late(v *view) (at time.Time, late time.Duration) {
	written := tr.lastRecord().events()
	v.mu.Lock()
	defer v.mu.Unlock()
	size, i := 0, 0
	for _, ev := range written {
		for size < ev.end && i < len(v.chunks) {
			size += len(v.chunks[i].text)
			i++
		}
		arrived := v.until
		if size >= ev.end {
			arrived = v.chunks[i-1].at
		}
		if late := arrived.Sub(ev.at); late > maxDelay {
			return ev.at, late
		}
	}
	return at, 0
}

// finished looks for places where the stream stopped within an event.
func (tr *trial) finished(v *view) {
	text := ""
	for i, c := range v.chunks {
		text += c.text
		if i+1 < len(v.chunks) && v.chunks[i+1].at.Equal(c.at) {
			continue
		}
		if i+1 == len(v.chunks) && v.full() {
			break // where the observer has left
		}
		if inEvent(text) {
			tr.t.Fatalf("ssetest: %s after the request the stream stopped within an event; clients get it late, or never, since only an empty line ends it (HTML §9.2.6); write and flush each event whole:\n%s", c.at.Sub(v.start), end(text))
		}
	}
}

// end returns the last lines of text.
func end(text string) string {
	lines := strings.Split(strings.TrimSuffix(lineEnds.Replace(text), "\n"), "\n")
	return "    | " + strings.Join(lines[max(0, len(lines)-5):], "\n    | ")
}

func (tr *trial) utf8() {
	for _, line := range tr.stream().lines() {
		if !utf8.ValidString(line) {
			tr.t.Fatalf("ssetest: the line %q is not UTF-8; clients replace what is malformed by U+FFFD, and lose it (HTML §9.2.5)", line)
		}
	}
}

func (tr *trial) lineBreaks() {
	for _, line := range tr.stream().lines() {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "", "data", "event", "id", "retry":
		default:
			tr.t.Fatalf("ssetest: the line %q is no field, and clients drop it (HTML §9.2.6); data with line breaks (LF, CR, CRLF) needs a data field for each line: see sse.Event.AppendText", line)
		}
	}
}

func (tr *trial) heartbeat() {
	v := tr.stream()
	at := make([]time.Time, 0, len(v.chunks)+1)
	for _, c := range v.chunks {
		at = append(at, c.at)
	}
	if !v.over {
		at = append(at, v.until)
	}
	last := v.start
	for _, next := range at {
		if next.Sub(last) > maxSilence {
			if _, late := tr.late(v); late > 0 {
				tr.t.Skipf("ssetest: the handler does not flush its events: see the subtest about that")
			}
			tr.t.Fatalf("ssetest: the stream is silent from %s to %s; send a comment (\":\\n\\n\") at least each minute (HTML §9.2.7), or proxies cut it (nginx's proxy_read_timeout is 60 s), and neither side notices that the other has gone", last.Sub(v.start), next.Sub(v.start))
		}
		last = next
	}
}

func (tr *trial) ids() {
	v := tr.stream()
	found := false
	for _, line := range v.lines() {
		name, id, _ := strings.Cut(line, ":")
		if name != "id" {
			continue
		}
		found = true
		id = strings.TrimPrefix(id, " ")
		if !sse.Resumable(id) {
			tr.t.Fatalf("ssetest: no Last-Event-ID header can carry an ID of %d bytes, %.64q; clients ignore one with a NUL (HTML §9.2.6), and with others they resume after an older event, or are refused (net/http and nginx limit a request's header); at most 8 KiB without control characters", len(id), id)
		}
	}
	if events := len(v.events()); !found && events > 0 {
		tr.t.Errorf("ssetest: none of %d events has an ID (HTML §9.2.6); clients lose what is sent while they reconnect (see WithoutIDs)", events)
	}
}

// resumable reports whether a client can resume after an ID.
func resumable(id string) bool { return id != "" && sse.Resumable(id) }

// resumption resumes after one of the last events, and after the last one.
func (tr *trial) resumption() {
	all := tr.stream().events()
	at := max(0, len(all)-1-backlog)
	for at+1 < len(all) && all[at+1].LastEventID == all[at].LastEventID {
		at++ // the last event with that ID
	}
	if at+1 >= len(all) || !resumable(all[at].LastEventID) || !resumable(all[len(all)-1].LastEventID) {
		tr.t.Skipf("ssetest: resumption needs two events with IDs of their own within %s", observed)
	}
	id, missed := all[at].LastEventID, all[at+1:]
	got := tr.resume(id).events()
	if len(got) == 0 {
		tr.t.Fatalf("ssetest: after Last-Event-ID %q no event came, though %d had followed it; clients that reconnect lose them (HTML §9.2.4)", id, len(missed))
	}
	for i := range min(len(got), len(missed)) {
		if want := missed[i].LastEventID; got[i].LastEventID != want {
			tr.t.Fatalf("ssetest: after Last-Event-ID %q event %d has the ID %q, and not %q as before; clients that reconnect lose events, or get them again (HTML §9.2.4)", id, i+1, got[i].LastEventID, want)
		}
	}

	known := make(map[string]bool)
	for _, ev := range all {
		known[ev.LastEventID] = true
	}
	last := all[len(all)-1].LastEventID
	newest := tr.watch(tr.srv, last)
	if newest.resp != nil && newest.resp.StatusCode == http.StatusNoContent {
		return // the end of a stream that ends
	}
	tr.streams(newest, last)
	for _, ev := range newest.events() {
		if known[ev.LastEventID] {
			tr.t.Fatalf("ssetest: after Last-Event-ID %q, the last one, an old event came again, with the ID %q; clients that reconnect get events twice (HTML §9.2.4)", last, ev.LastEventID)
		}
	}
}

func (tr *trial) unknownID() {
	all := tr.stream().events()
	if got := tr.resume("ssetest-no-such-id").events(); len(all) > 0 && len(got) == 0 {
		tr.t.Errorf("ssetest: after an unknown Last-Event-ID no event came; clients that were away for long stay without events, and do not notice it (HTML §9.2.4); start where you can")
	}
}

func (tr *trial) retry() {
	for _, line := range tr.stream().lines() {
		name, value, _ := strings.Cut(line, ":")
		if name != "retry" {
			continue
		}
		value = strings.TrimPrefix(value, " ")
		ms, err := strconv.ParseUint(value, 10, 31)
		switch d := time.Duration(ms) * time.Millisecond; {
		case err != nil && !errors.Is(err, strconv.ErrRange):
			tr.t.Fatalf("ssetest: retry is %q; clients ignore it unless it is a number of milliseconds in digits (HTML §9.2.6)", value)
		case err != nil || d < minRetry:
			tr.t.Fatalf("ssetest: retry is %q milliseconds, and becomes the time to reconnect (HTML §9.2.6); below %s clients that reconnect flood the server, and may be shut out", value, minRetry)
		case d > maxRetry:
			tr.t.Fatalf("ssetest: retry is %q milliseconds, and becomes the time to reconnect (HTML §9.2.6); above %s clients that lost the connection stay away", value, maxRetry)
		}
	}
}
