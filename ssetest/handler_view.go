package ssetest

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/lastevent/sse"
)

// A chunk is text that was written or read at once.
type chunk struct {
	at   time.Time
	text string
}

// A record is what a handler has done with a response.
type record struct {
	mu     sync.Mutex
	header http.Header // as the handler made it; nil: nothing was written yet
	chunks []chunk     // the first maxObserved bytes
	size   int
}

// write adds what the handler is about to write. Without text it is a flush.
func (r *record) write(header http.Header, text string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.header == nil {
		r.header = header.Clone()
	}
	if r.size < maxObserved && text != "" {
		r.chunks = append(r.chunks, chunk{time.Now(), text})
		r.size += len(text)
	}
}

// events returns where the events that the handler has written end.
func (r *record) events() []mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	return events(r.chunks)
}

// newRecord returns the record of a call of the handler.
func (tr *trial) newRecord() *record {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	r := new(record)
	tr.records = append(tr.records, r)
	return r
}

// lastRecord returns the record of the last response, redirects not counted, since each is
// followed by another call. It is empty if the handler was not called.
func (tr *trial) lastRecord() *record {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if n := len(tr.records); n > 0 {
		return tr.records[n-1]
	}
	return new(record)
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
	err    error     // what ended the response; io.EOF: it is complete
	until  time.Time // when the observer left; zero: it has not
	over   bool      // the response had ended before, or there was more than is watched
}

// open sends a request, and watches its response until the test ends.
func (tr *trial) open(srv *Server, method, lastEventID string) *view {
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, method, srv.URL(), nil)
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
		if method == http.MethodHead {
			req.Method = method
		}
	}
	v := &view{start: time.Now(), cancel: cancel, done: make(chan struct{})}
	tr.t.Cleanup(v.leave)
	go v.watch(srv.Client(), req)
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
			v.chunks = append(v.chunks, chunk{time.Now(), string(buf[:n])})
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
	v.mu.Lock()
	if v.until.IsZero() {
		v.until, v.over = time.Now(), v.err != nil || v.size > maxObserved
	}
	v.mu.Unlock()
	v.cancel()
	<-v.done
}

// observe lets time pass, in which others may publish, until the response has ended.
func (tr *trial) observe(d time.Duration, v *view) {
	until := time.Now().Add(d)
	if tr.options.publish != nil {
		tr.published = nil
		for n := range publishings {
			time.Sleep(time.Second)
			tr.published = append(tr.published, time.Now())
			tr.options.publish(n + 1)
		}
	}
	select {
	case <-v.done:
	case <-time.After(time.Until(until)):
	}
	synctest.Wait()
}

// watch opens a stream and observes it.
func (tr *trial) watch(srv *Server, lastEventID string) *view {
	v := tr.open(srv, http.MethodGet, lastEventID)
	tr.observe(observed, v)
	v.leave()
	return v
}

// stream opens a stream and observes it. The subtest is left out if there is none, and so
// nothing to be tested.
func (tr *trial) stream() *view {
	v := tr.watch(tr.srv, "")
	switch {
	case v.resp == nil:
		tr.t.Skipf("ssetest: there was no response within %s: see the subtests about its header and about flushing", observed)
	case v.resp.StatusCode != http.StatusOK:
		tr.t.Skipf("ssetest: the status is %q: see the subtest about the media type", v.resp.Status)
	}
	return v
}

// resume opens a stream after an ID and observes it.
func (tr *trial) resume(lastEventID string) *view {
	v := tr.watch(tr.srv, lastEventID)
	tr.streams(v, lastEventID)
	return v
}

// streams ends the subtest unless v is a stream.
func (tr *trial) streams(v *view, lastEventID string) {
	switch {
	case v.resp == nil:
		tr.t.Fatalf("ssetest: after Last-Event-ID %q there was no response within %s (%v); clients that reconnect (HTML §9.2.4) wait for it, and time out", lastEventID, observed, v.err)
	case v.resp.StatusCode != http.StatusOK:
		tr.t.Fatalf("ssetest: after Last-Event-ID %q the status is %q; only 200 opens an event stream (HTML §9.2.3), so that clients that were away end, or ask for ever; start where you can", lastEventID, v.resp.Status)
	}
}

// text returns what was sent.
func (v *view) text() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return join(v.chunks)
}

func join(chunks []chunk) string {
	var out strings.Builder
	for _, c := range chunks {
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

// opened reports whether there is a header.
func (v *view) opened() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.resp != nil
}

// ended returns what ended the response, nil if it has not ended.
func (v *view) ended() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// full reports whether there was more than is watched.
func (v *view) full() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.size > maxObserved
}

// arrived returns the number of events that arrived within d from start on.
func (v *view) arrived(start time.Time, d time.Duration) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, ev := range events(v.chunks) {
		if !ev.at.Before(start) && ev.at.Sub(start) <= d {
			n++
		}
	}
	return n
}

// bytesAfter returns the number of bytes that arrived after a time.
func (v *view) bytesAfter(at time.Time) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.chunks {
		if c.at.After(at) {
			n += len(c.text)
		}
	}
	return n
}

// A mark is where an event ends, with its empty line.
type mark struct {
	end int       // bytes since the stream's start
	at  time.Time // when its last byte was there
}

// events returns where the events of a stream end.
func events(chunks []chunk) (found []mark) {
	all := join(chunks)
	data := false
	i, size := 0, 0 // chunks up to the line's end, and their bytes
	for start := 0; start < len(all); {
		length := strings.IndexAny(all[start:], "\r\n")
		if length < 0 {
			break
		}
		line, end := all[start:start+length], start+length+1
		if strings.HasPrefix(all[end-1:], "\r\n") {
			end++
		}
		start = end
		if name, _, _ := strings.Cut(line, ":"); line != "" {
			data = data || name == "data"
			continue
		}
		for ; size < end; i++ {
			size += len(chunks[i].text)
		}
		if data {
			found = append(found, mark{end, chunks[i-1].at})
		}
		data = false
	}
	return found
}
