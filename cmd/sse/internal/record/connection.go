package record

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lastevent/sse/internal/recording"
)

const (
	// Without chunks, or in one that is not complete, the bytes that come within such a time
	// are one piece: a network cuts where it likes.
	maxGap  = time.Millisecond     // between two reads
	maxSpan = 2 * time.Millisecond // from the first to the last
	maxJoin = 64 << 10             // bytes of a piece that is joined

	maxPiece = 1 << 20 // bytes of a chunk that are a piece at most
	maxBody  = 1 << 20 // bytes of a request's body that are recorded
)

// A connection is a request and the response to it, as they are recorded.
type connection struct {
	*Recorder
	method string
	target string
	header []field // of the request
	begun  time.Time
	keep   func(h *head) bool // whether to record a response; nil: all are, with their requests from the start

	mu      sync.Mutex
	number  int // 0: nothing is recorded
	typ     string
	body    []byte // of the request, up to maxBody
	sent    bool   // the request's body has been recorded
	over    bool
	mask    *masker
	pending piece     // of a chunk, or joined
	last    time.Time // at which a part of it came
	timer   *time.Timer
}

// Fields of a header that belong to one hop: the framing has what matters of them.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// sorted returns the lines of a header that are recorded, in an order that does not depend on
// who sent them.
func sorted(h http.Header) (fields []field) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if slices.Contains(hopByHop, http.CanonicalHeaderKey(name)) {
			continue
		}
		for _, value := range h[name] {
			fields = append(fields, field{name, value})
		}
	}
	return fields
}

// newConnection begins to record a request.
func (r *Recorder) newConnection(req *http.Request, keep func(h *head) bool) *connection {
	c := &connection{
		Recorder: r, method: req.Method, target: req.URL.RequestURI(), header: sorted(req.Header), begun: time.Now(), keep: keep,
		typ: req.Header.Get("Content-Type"),
	}
	if c.method == "" {
		c.method = http.MethodGet
	}
	if r.redact != nil {
		r.redact.addURL(req.URL)
		r.redact.addHeader(req.Header)
	}
	c.begin()
	return c
}

// again begins to record the same request, made again.
func (c *connection) again() *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := &connection{
		Recorder: c.Recorder, method: c.method, target: c.target, header: c.header, begun: time.Now(), keep: c.keep,
		typ: c.typ, body: c.body,
	}
	next.begin()
	return next
}

func (c *connection) begin() {
	if c.redact != nil {
		c.mask = &masker{secrets: c.redact.known, patterns: c.Patterns}
	}
	if c.keep == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.connect()
	}
}

// connect records the request's header. As for all functions below, the caller holds the lock.
func (c *connection) connect() {
	if c.number = c.Recorder.connect(c, c.begun, c.method, c.redact.text(c.target)); c.number == 0 {
		c.over = true
	}
	c.fields(c.begun, c.header)
}

func (c *connection) fields(at time.Time, fields []field) {
	for _, f := range fields {
		c.step(at, recording.Step{Kind: recording.Header, Name: f.name, Value: c.redact.value(f.name, f.value)})
	}
}

func (c *connection) step(at time.Time, s recording.Step) {
	if !c.over {
		s.Conn = c.number
		c.write(at, s)
	}
}

// sendBody records the request's body, as much of it as has been sent.
func (c *connection) sendBody(at time.Time) {
	if len(c.body) > 0 && !c.sent && c.number > 0 {
		c.step(at, recording.Step{Kind: recording.Body, Value: c.redact.body(c.typ, c.body)})
	}
	c.sent = true
}

// sending notes a part of the request's body.
func (c *connection) sending(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.body = append(c.body, p[:min(len(p), maxBody-len(c.body))]...)
}

var framings = map[framing]recording.Framing{
	byChunks: recording.Chunked, byLength: recording.Length, byClose: recording.Close, byHTTP2: recording.HTTP2,
}

// head records a response's header.
func (c *connection) head(at time.Time, h *head) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	if c.number == 0 {
		if !c.keep(h) {
			c.over = true
			return
		}
		c.connect()
	}
	header := make(http.Header)
	for _, f := range h.fields {
		header.Add(f.name, f.value)
	}
	if h.framing != byLength && h.framing != byHTTP2 {
		header.Del("Content-Length") // which does not count
	}
	if c.redact != nil {
		c.redact.addResponse(header)
		c.mask.blind = c.redact.credentials && isEncoded(header)
	}
	c.sendBody(at)
	c.step(at, recording.Step{Kind: recording.Status, Code: h.code, Framing: framings[h.framing]})
	c.fields(at, sorted(header))
}

// isEncoded reports whether nobody can look for secrets in a body as it comes.
func isEncoded(h http.Header) bool {
	coding := h.Get("Content-Encoding")
	return coding != "" && !strings.EqualFold(coding, "identity")
}

// bytes records bytes of the response's body. A piece is a chunk; without chunks, it is what
// came at about one time.
func (c *connection) bytes(at time.Time, p []byte, boundary bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	if len(c.pending.data) > 0 && (at.Sub(c.last) >= maxGap || at.Sub(c.pending.at) >= maxSpan) {
		c.flush()
	}
	for len(p) > 0 {
		if len(c.pending.data) == 0 {
			c.pending.at = at
		}
		n := min(len(p), maxPiece-len(c.pending.data))
		c.pending.data, p = append(c.pending.data, p[:n]...), p[n:]
		if len(c.pending.data) == maxPiece {
			c.flush()
		}
	}
	c.last = at
	switch {
	case boundary:
		c.flush()
	case len(c.pending.data) == 0:
	case c.timer == nil:
		c.timer = time.AfterFunc(maxGap, c.settle)
	default:
		c.timer.Reset(maxGap)
	}
}

// settle records a piece that nothing was added to for a while.
func (c *connection) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over && len(c.pending.data) > 0 && time.Since(c.last) >= maxGap {
		c.flush()
	}
}

// flush records the piece that is pending.
func (c *connection) flush() {
	if len(c.pending.data) == 0 {
		return
	}
	p := piece{c.pending.at, bytes.Clone(c.pending.data)}
	c.pending.data = c.pending.data[:0]
	if c.mask == nil {
		c.record(p)
		return
	}
	for _, p := range c.mask.add(p) {
		c.record(p)
	}
}

func (c *connection) record(p piece) {
	c.step(p.at, recording.Step{Kind: recording.Bytes, Value: string(p.data)})
}

// end records that the response is complete.
func (c *connection) end(at time.Time) { c.finish(at, recording.End) }

// finish records how the connection ended, unless it has ended already.
func (c *connection) finish(at time.Time, kind recording.Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.number > 0 {
		c.flush()
		if c.mask != nil {
			for _, p := range c.mask.flush() {
				c.record(p)
			}
		}
		c.sendBody(at)
		c.step(at, recording.Step{Kind: kind})
		c.forget(c)
	}
	c.over = true
}
