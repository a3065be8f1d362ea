package ssetest

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/lastevent/sse"
)

// What TestHandler asks of a handler, in the fake time of its bubbles.
const (
	observed    = 10 * time.Minute // how long a stream is watched
	maxObserved = 256 << 10        // bytes of it
	maxSilence  = time.Minute      // without a byte: proxies cut a silent stream after that, nginx's proxy_read_timeout among them
	maxHeader   = time.Second      // until the response's header
	maxLeaving  = 5 * time.Second  // for a handler, once its client has left
	maxHEAD     = 10 * time.Second // for a handler to answer HEAD
	minRetry    = 10 * time.Millisecond
	maxRetry    = time.Hour
)

// An Option tells [TestHandler] what a handler needs, or what it cannot do by design.
type Option func(*handlerOptions)

type handlerOptions struct {
	request func(*http.Request)
	publish func(n int)
	make    func(t testing.TB) http.Handler
	without map[string]string // a subtest, and the reason
}

// WithRequest has prepare called for each request, to set a path, a query or credentials.
func WithRequest(prepare func(*http.Request)) Option {
	return func(o *handlerOptions) { o.request = prepare }
}

// WithPublish has publish called each second of the first ten, counted from 1, while a
// stream is observed: for handlers that send only what others publish.
func WithPublish(publish func(n int)) Option {
	return func(o *handlerOptions) { o.publish = publish }
}

// WithNew has the handler made anew for each subtest, in its bubble; the handler that
// TestHandler is given is not used, and may be nil. It serves handlers that have channels,
// timers or goroutines: what was made outside of a bubble keeps its time from passing.
func WithNew(make func(t testing.TB) http.Handler) Option {
	return func(o *handlerOptions) { o.make = make }
}

// WithoutIDs leaves out what needs IDs, for a stream that cannot be resumed by design:
// clients lose what was sent while they were not connected.
func WithoutIDs(reason string) Option {
	return without(reason, "IDs", "resumption", "unknown ID")
}

// WithoutHeartbeats leaves out that a stream must not be silent for a minute, for a stream
// that passes no proxy, or whose clients do not watch for silence.
func WithoutHeartbeats(reason string) Option { return without(reason, "heartbeat") }

func without(reason string, names ...string) Option {
	return func(o *handlerOptions) {
		for _, name := range names {
			o.without[name] = reason
		}
	}
}

// TestHandler tests that a handler serves a well-behaved event stream, with a subtest for
// each thing that clients and proxies need. Each subtest runs in a testing/synctest bubble,
// so that t must not be a bubble's, and serves the handler with a server of its own. See
// [WithNew] about handlers that have goroutines or channels.
//
// A request without Last-Event-ID should bring events within ten minutes, at least two for
// the test of resumption.
func TestHandler(t *testing.T, h http.Handler, opts ...Option) {
	options := newHandlerOptions(opts)
	for _, check := range handlerChecks {
		t.Run(check.name, func(t *testing.T) {
			if reason, ok := options.without[check.name]; ok {
				t.Skipf("ssetest: left out: %s", reason)
			}
			synctest.Test(t, func(t *testing.T) { check.test(t, h, options) })
		})
	}
}

func newHandlerOptions(opts []Option) *handlerOptions {
	options := &handlerOptions{without: make(map[string]string)}
	for _, opt := range opts {
		opt(options)
	}
	return options
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
	{"caches and buffers", (*trial).caches},
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

// test runs the check, in a bubble.
func (check handlerCheck) test(t testing.TB, h http.Handler, options *handlerOptions) {
	tr := &trial{t: t, options: options}
	if options.make != nil {
		h = options.make(t)
	}
	tr.srv = NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr.active.Add(1)
		defer tr.active.Add(-1)
		h.ServeHTTP(w, r)
	}))
	tr.srv.patient = true
	check.run(tr)
}

// A trial is a handler under test.
type trial struct {
	t       testing.TB
	options *handlerOptions
	srv     *Server
	active  atomic.Int32 // calls of the handler
}

// A view is what a client sees of a response.
type view struct {
	start  time.Time
	cancel context.CancelFunc
	done   chan struct{} // closed at the end of the response

	mu     sync.Mutex
	resp   *http.Response // nil: there is no header yet
	header time.Duration
	chunks []chunk
	size   int
	err    error // what ended the response; io.EOF: it is complete
}

type chunk struct {
	at   time.Duration
	text string
}

// open sends a request, and watches its response until the test ends.
func (tr *trial) open(method, lastEventID string) *view {
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, method, tr.srv.URL(), nil)
	if err != nil {
		panic(err) // the URL is the kit's
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "identity")
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	if tr.options.request != nil {
		tr.options.request(req)
	}
	v := &view{start: time.Now(), cancel: cancel, done: make(chan struct{})}
	tr.t.Cleanup(func() { v.leave() })
	go v.watch(tr.srv.Client(), req)
	return v
}

func (v *view) watch(client *http.Client, req *http.Request) {
	defer close(v.done)
	defer v.cancel()
	resp, err := client.Do(req)
	v.mu.Lock()
	v.resp, v.header, v.err = resp, time.Since(v.start), err
	v.mu.Unlock()
	if err != nil {
		return
	}
	defer resp.Body.Close()
	for buf := make([]byte, 32<<10); ; {
		n, err := resp.Body.Read(buf)
		v.mu.Lock()
		if n > 0 {
			v.chunks = append(v.chunks, chunk{time.Since(v.start), string(buf[:n])})
			v.size += n
		}
		v.err = err
		full := v.size > maxObserved
		v.mu.Unlock()
		if err != nil || full {
			return
		}
	}
}

// leave ends the request.
func (v *view) leave() {
	v.cancel()
	<-v.done
}

// observe lets time pass, in which others may publish, until one of the responses has ended.
func (tr *trial) observe(d time.Duration, v *view) {
	until := time.Now().Add(d)
	if tr.options.publish != nil {
		for n := 1; n <= 10; n++ {
			time.Sleep(time.Second)
			tr.options.publish(n)
		}
	}
	select {
	case <-v.done:
	case <-time.After(time.Until(until)):
	}
	synctest.Wait()
}

// stream opens a stream and observes it. The test is over if it is none.
func (tr *trial) stream(lastEventID string) *view {
	tr.t.Helper()
	v := tr.open(http.MethodGet, lastEventID)
	tr.observe(observed, v)
	v.leave()
	if v.resp == nil {
		tr.t.Fatalf("ssetest: there was no response within %s: %v", observed, v.err)
	}
	return v
}

// text returns what was sent.
func (v *view) text() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out strings.Builder
	for _, c := range v.chunks {
		out.WriteString(c.text)
	}
	return out.String()
}

// events returns the events that were sent.
func (v *view) events() (events []sse.Event) {
	for ev, err := range sse.Read(strings.NewReader(v.text())) {
		if err == nil {
			events = append(events, ev)
		}
	}
	return events
}

// lines returns the lines that were sent whole.
func (v *view) lines() []string {
	lines := strings.Split(strings.TrimPrefix(lineEnds.Replace(v.text()), "\ufeff"), "\n")
	return lines[:len(lines)-1]
}

func (tr *trial) mediaType() {
	resp := tr.stream("").resp
	mediaType, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		tr.t.Errorf("ssetest: the status is %q; only 200 opens an event stream (HTML §9.2.3)", resp.Status)
	case err != nil || mediaType != "text/event-stream":
		tr.t.Errorf("ssetest: the Content-Type is %q; clients end the stream for good unless it is text/event-stream (HTML §9.2.3)", resp.Header.Get("Content-Type"))
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		tr.t.Errorf("ssetest: the charset is %q; an event stream is always read as UTF-8 (HTML §9.2.5)", params["charset"])
	}
}

func (tr *trial) headerAtOnce() {
	if v := tr.stream(""); v.header > maxHeader {
		tr.t.Errorf("ssetest: the response's header came after %s; flush it before the first event, or clients do not know that they are connected, and may time out", v.header)
	}
}

func (tr *trial) noCoding() {
	resp := tr.stream("").resp
	if resp.ContentLength >= 0 {
		tr.t.Errorf("ssetest: the response has a Content-Length, %d; an event stream has none, flush each event", resp.ContentLength)
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		tr.t.Errorf("ssetest: the Content-Encoding is %q, though the request asks for identity; leave event streams out of compression, which holds events back", coding)
	}
}

// caches only reports: whether there are caches and proxies is not the handler's to know.
func (tr *trial) caches() {
	h := tr.stream("").resp.Header
	control := strings.ToLower(h.Get("Cache-Control"))
	if !strings.Contains(control, "no-store") && !strings.Contains(control, "no-cache") {
		tr.t.Logf("ssetest: note: Cache-Control is %q; with no-store, or no-cache, no cache keeps the stream", control)
	}
	if h.Get("X-Accel-Buffering") != "no" {
		tr.t.Logf("ssetest: note: X-Accel-Buffering is %q; nginx holds events back unless it is no, or proxy_buffering is off", h.Get("X-Accel-Buffering"))
	}
}

func (tr *trial) flushed() {
	v := tr.stream("")
	if len(v.events()) == 0 {
		tr.t.Fatalf("ssetest: no event came within %s; does the handler flush each event, and end it by an empty line?", observed)
	}
	text := ""
	for i, c := range v.chunks {
		text += c.text
		if i+1 < len(v.chunks) && v.chunks[i+1].at == c.at {
			continue
		}
		if i+1 == len(v.chunks) && v.size > maxObserved {
			break // where the observer has left
		}
		if inEvent(text) {
			tr.t.Fatalf("ssetest: %s after the request the stream stopped within an event; end each event by an empty line, and flush it, or clients get it late or never:\n%s", c.at, end(text))
		}
	}
}

// end returns the last lines of text.
func end(text string) string {
	lines := strings.Split(strings.TrimSuffix(lineEnds.Replace(text), "\n"), "\n")
	return "    | " + strings.Join(lines[max(0, len(lines)-5):], "\n    | ")
}

func (tr *trial) utf8() {
	for _, line := range tr.stream("").lines() {
		if !utf8.ValidString(line) {
			tr.t.Fatalf("ssetest: the line %q is not UTF-8; clients replace what is malformed by U+FFFD", line)
		}
	}
}

func (tr *trial) lineBreaks() {
	for _, line := range tr.stream("").lines() {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "", "data", "event", "id", "retry":
		default:
			tr.t.Fatalf("ssetest: the line %q is no field, and clients ignore it; data with line breaks (LF, CR, CRLF) needs a data field for each line", line)
		}
	}
}

func (tr *trial) heartbeat() {
	publish := tr.options.publish
	quiet := *tr.options
	quiet.publish = nil
	tr.options = &quiet
	v := tr.open(http.MethodGet, "")
	if publish != nil {
		time.Sleep(time.Second)
	}
	tr.observe(observed, v)
	if v.err == nil { // it is still open
		v.mu.Lock()
		v.chunks = append(v.chunks, chunk{at: time.Since(v.start)})
		v.mu.Unlock()
	}
	last := time.Duration(0)
	for _, c := range v.chunks {
		if c.at-last > maxSilence {
			tr.t.Fatalf("ssetest: the stream is silent from %s to %s; send a comment (\":\\n\\n\") at least each minute, or proxies cut it, and neither side notices that the other has gone", last, c.at)
		}
		last = c.at
	}
}

func (tr *trial) ids() {
	v := tr.stream("")
	found := false
	for _, line := range v.lines() {
		name, id, _ := strings.Cut(line, ":")
		if name != "id" {
			continue
		}
		found = true
		id = strings.TrimPrefix(id, " ")
		switch {
		case strings.Contains(id, "\x00"):
			tr.t.Fatalf("ssetest: the ID %q has a NUL; clients ignore it (HTML §9.2.6)", id)
		case !sse.Resumable(id):
			tr.t.Fatalf("ssetest: no Last-Event-ID header can carry an ID of %d bytes, %.64q; it needs at most 8 KiB, without control characters", len(id), id)
		}
	}
	if events := len(v.events()); !found && events > 0 {
		tr.t.Errorf("ssetest: none of %d events has an ID; clients lose what is sent while they reconnect (see WithoutIDs)", events)
	}
}

func (tr *trial) resumption() {
	all := tr.stream("").events()
	if len(all) < 2 || !sse.Resumable(all[0].LastEventID) || all[0].LastEventID == "" {
		tr.t.Skipf("ssetest: resumption needs two events within %s, the first with an ID", observed)
	}
	id := all[0].LastEventID
	v := tr.stream(id)
	got := v.events()
	switch {
	case v.resp.StatusCode != http.StatusOK:
		tr.t.Fatalf("ssetest: after Last-Event-ID %q the status is %q", id, v.resp.Status)
	case len(got) == 0:
		tr.t.Fatalf("ssetest: after Last-Event-ID %q no event came, though %d followed it before", id, len(all)-1)
	case got[0].LastEventID == id:
		tr.t.Fatalf("ssetest: after Last-Event-ID %q the event with that ID came again; continue after it", id)
	}
	for i := range min(len(got), len(all)-1) {
		if want := all[i+1].LastEventID; got[i].LastEventID != want {
			tr.t.Fatalf("ssetest: after Last-Event-ID %q event %d has the ID %q, and not %q as before; clients lose events, or get them again", id, i+1, got[i].LastEventID, want)
		}
	}
}

func (tr *trial) unknownID() {
	all := tr.stream("").events()
	v := tr.stream("ssetest-no-such-id")
	switch {
	case v.resp.StatusCode != http.StatusOK:
		tr.t.Errorf("ssetest: after an unknown Last-Event-ID the status is %q; clients that were away for long end, or ask for ever; start where you can", v.resp.Status)
	case len(all) > 0 && len(v.events()) == 0:
		tr.t.Errorf("ssetest: after an unknown Last-Event-ID no event came; start where you can")
	}
}

func (tr *trial) retry() {
	for _, line := range tr.stream("").lines() {
		name, value, _ := strings.Cut(line, ":")
		if name != "retry" {
			continue
		}
		value = strings.TrimPrefix(value, " ")
		ms, err := strconv.ParseUint(value, 10, 31)
		switch d := time.Duration(ms) * time.Millisecond; {
		case err != nil && !errors.Is(err, strconv.ErrRange):
			tr.t.Fatalf("ssetest: retry is %q; clients ignore it unless it is a number of milliseconds in digits (HTML §9.2.6)", value)
		case err != nil || d < minRetry || d > maxRetry:
			tr.t.Fatalf("ssetest: retry is %q milliseconds; it should lie within %s and %s", value, minRetry, maxRetry)
		}
	}
}

func (tr *trial) clientLeaves() {
	v := tr.open(http.MethodGet, "")
	select {
	case <-v.done:
	case <-time.After(5 * time.Second):
	}
	v.leave()
	time.Sleep(maxLeaving)
	if n := tr.active.Load(); n > 0 {
		tr.t.Errorf("ssetest: the handler runs %s after its client left; return when the request's Context is done, or clients that reconnect pile up", maxLeaving)
	}
}

func (tr *trial) head() {
	v := tr.open(http.MethodHead, "")
	time.Sleep(maxHEAD)
	synctest.Wait()
	if n := tr.active.Load(); n > 0 {
		tr.t.Errorf("ssetest: the handler runs %s after a HEAD request; return after the header (405 serves, too), or the connection stays occupied", maxHEAD)
	}
	v.leave()
}

// secondClient compares a stream on which a second client comes and leaves with one that a
// client has for itself.
func (tr *trial) secondClient() {
	alone := tr.stream("")
	first := tr.open(http.MethodGet, "")
	synctest.Wait()
	second := tr.open(http.MethodGet, "")
	tr.observe(10*time.Second, second)
	if events := len(first.events()); events > 0 && len(second.events()) == 0 {
		tr.t.Errorf("ssetest: a second client got no event while the first got %d", events)
	}
	second.leave()
	left := time.Since(first.start)
	tr.observe(observed-left, first)
	err := first.ended()
	switch {
	case first.full() || alone.full():
	case err != nil && err != io.EOF:
		tr.t.Errorf("ssetest: the stream of a first client was cut once there was a second: %v", err)
	case err == io.EOF && alone.err != io.EOF:
		tr.t.Errorf("ssetest: the stream of a first client ended once there was a second")
	case first.bytesAfter(left) == 0 && alone.bytesAfter(left) > 0:
		tr.t.Errorf("ssetest: a first client gets nothing once a second has left")
	}
}

func (v *view) bytesAfter(d time.Duration) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.chunks {
		if c.at > d {
			n += len(c.text)
		}
	}
	return n
}

// ended returns what ended the response, nil if it has not ended.
func (v *view) ended() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

func (v *view) full() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.size > maxObserved
}
