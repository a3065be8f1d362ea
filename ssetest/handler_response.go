package ssetest

import (
	"mime"
	"net/http"
	"slices"
	"strings"
)

// What TestHandler asks of the response's header.

func (tr *trial) mediaType() {
	resp := tr.watch(tr.srv, "").resp
	if resp == nil {
		tr.t.Skipf("ssetest: there was no response within %s: see the subtests about its header and about flushing", observed)
	}
	mediaType, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		tr.t.Errorf("ssetest: the status is %q; only 200 opens an event stream (HTML §9.2.3), and clients end, or ask again", resp.Status)
	case err != nil || mediaType != "text/event-stream":
		tr.t.Errorf("ssetest: the Content-Type is %q; clients end the stream for good unless it is text/event-stream (HTML §9.2.3)", resp.Header.Get("Content-Type"))
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		tr.t.Errorf("ssetest: the charset is %q; clients read an event stream as UTF-8 whatever it says (HTML §9.2.5), and garble it", params["charset"])
	}
}

// headerAtOnce also looks at a client that has every event and waits for the next one.
func (tr *trial) headerAtOnce() {
	first := tr.watch(tr.srv, "")
	tr.headerOf(first, "")
	if _, ok := tr.options.without["resumption"]; ok {
		return
	}
	if events := first.events(); len(events) > 0 {
		if id := events[len(events)-1].LastEventID; resumable(id) {
			tr.headerOf(tr.watch(tr.srv, id), " to a client that has all events")
		}
	}
}

func (tr *trial) headerOf(v *view, whose string) {
	const effect = "until then clients do not know that they are connected (HTML §9.2.3), and those with a timeout for the header drop the connection; flush the header before the first event"
	limit := v.start.Add(maxHeader)
	if v.resp != nil && v.header <= maxHeader {
		return
	}
	if written := tr.lastRecord().events(); len(written) > 0 && !written[0].at.After(limit) {
		return // what is missing is the event's flush, for which there is a subtest
	}
	if v.resp == nil {
		tr.t.Fatalf("ssetest: the response%s had no header within %s (%v); %s", whose, observed, v.err, effect)
	}
	tr.t.Fatalf("ssetest: the response's header%s came after %s; %s", whose, v.header, effect)
}

func (tr *trial) noCoding() {
	resp := tr.stream().resp
	if resp.ContentLength >= 0 {
		tr.t.Errorf("ssetest: the response has a Content-Length, %d; an event stream has none, since clients and proxies end it there (RFC 9112 §6.3); flush each event", resp.ContentLength)
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		tr.t.Errorf("ssetest: the Content-Encoding is %q, though the request asks for identity (RFC 9110 §12.5.3); clients cannot read it, and compression holds events back; leave event streams out of it", coding)
	}
}

func (tr *trial) noCaching() {
	control := strings.ToLower(strings.Join(tr.stream().resp.Header.Values("Cache-Control"), ","))
	for directive := range strings.SplitSeq(control, ",") {
		if name := strings.TrimSpace(directive); name == "no-store" || name == "no-cache" {
			return
		}
	}
	tr.t.Errorf("ssetest: Cache-Control is %q; without no-store, or no-cache, a cache may keep the stream, wait for its end, and answer a reconnection with old events (RFC 9111 §3)", control)
}

func (tr *trial) noBuffering() {
	if value := tr.stream().resp.Header.Get("X-Accel-Buffering"); !strings.EqualFold(value, "no") {
		tr.t.Errorf("ssetest: X-Accel-Buffering is %q; unless it is no, nginx keeps events, and even the header, in its buffer (proxy_buffering, which is on by default); see WithoutProxies", value)
	}
}

// hopByHop are the header fields that HTTP/2 does not have.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"}

// http2 looks at the header as the handler has made it: net/http leaves such fields out, or
// obeys them, where other servers pass them on.
func (tr *trial) http2() {
	if !http2InBubbles() {
		tr.t.Skipf("ssetest: net/http's HTTP/2 server does not run in several bubbles before Go 1.26")
	}
	plain := tr.stream()
	v := tr.watch(tr.serve(true), "")
	switch {
	case v.resp == nil:
		tr.t.Fatalf("ssetest: over HTTP/2 there was no response within %s: %v; browsers and other clients use HTTP/2 wherever TLS offers it (RFC 9113 §3.2)", observed, v.err)
	case v.resp.StatusCode != http.StatusOK:
		tr.t.Fatalf("ssetest: over HTTP/2 the status is %q, and 200 over HTTP/1.1; does the handler hijack the connection, which HTTP/2 does not have (http.Hijacker)? Browsers and other clients use HTTP/2 wherever TLS offers it (RFC 9113 §3.2)", v.resp.Status)
	case len(plain.events()) > 0 && len(v.events()) == 0:
		tr.t.Fatalf("ssetest: over HTTP/2 no event came within %s, and %d over HTTP/1.1; browsers and other clients use HTTP/2 wherever TLS offers it (RFC 9113 §3.2)", observed, len(plain.events()))
	}
	r := tr.lastRecord()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, values := range r.header {
		if slices.Contains(hopByHop, http.CanonicalHeaderKey(name)) {
			tr.t.Errorf("ssetest: the handler sets %s: %s, which HTTP/2 must not have (RFC 9113 §8.2.2); clients see a malformed response and cut the stream where the server passes it on, and net/http's closes the connection after a close; leave it to the server", name, strings.Join(values, ", "))
		}
	}
}
