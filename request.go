package sse

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"sync/atomic"
)

const maxSentID = 8 << 10 // bytes of a Last-Event-ID header; servers refuse larger ones

// Resumable reports whether a Last-Event-ID header can carry id: it has no control
// character but TAB, and at most 8 KiB. Ask it before you store an ID to resume from.
// Resumable("") is true: an empty ID means the start of the stream.
//
// A stream whose ID is not resumable keeps resuming after the last one that is.
func Resumable(id string) bool {
	return len(id) <= maxSentID && strings.IndexFunc(id, func(r rune) bool {
		return r < ' ' && r != '\t' || r == 0x7f
	}) < 0
}

// A template is the caller's request, of which each attempt sends a clone. The ranges over
// one sequence share it.
type template struct {
	req  *http.Request // nil: there are no attempts
	used atomic.Bool   // its Body has been sent, or closed in favour of GetBody's
}

// errSpent is the error of a request whose body was sent already. No policy is asked
// about it.
var errSpent = errors.New("sse: the request's body is spent, and it has no GetBody")

// spentBody takes the place of a body that was sent already, until Prepare replaces it.
type spentBody struct{}

func (spentBody) Read([]byte) (int, error) { return 0, errSpent }
func (spentBody) Close() error             { return nil }

// hasBody reports whether req has a body that is not known to be empty.
func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// spent reports whether the caller's body was sent and cannot be had again.
func (t *template) spent() bool { return hasBody(t.req) && t.req.GetBody == nil && t.used.Load() }

// body returns the body of the next attempt.
func (t *template) body() (io.ReadCloser, error) {
	switch {
	case t.req.GetBody != nil:
		t.close()
		return t.req.GetBody()
	case hasBody(t.req) && t.used.Swap(true):
		return spentBody{}, nil
	}
	return t.req.Body, nil
}

// close closes the caller's body, unless an attempt has it.
func (t *template) close() {
	if t.req != nil && t.req.Body != nil && !t.used.Swap(true) {
		t.req.Body.Close()
	}
}

// An attempt is a request that is about to be sent.
type attempt struct {
	*http.Request
	// replaced is the body that Prepare put another one in place of, nil if it did not.
	// The other one may read from it, so it is closed when the attempt is over.
	replaced io.Closer
}

func (a *attempt) close() {
	if a.replaced != nil {
		a.replaced.Close()
	}
}

// heldBody is the body that Prepare sees. It is a pointer, so that it can be compared with
// the body that Prepare leaves.
type heldBody struct{ io.ReadCloser }

// next returns the request of one attempt, which resumes after the event with the given
// ID. Prepare, if not nil, has seen it.
func (t *template) next(ctx context.Context, lastID string, prepare func(*http.Request) error) (*attempt, error) {
	req := t.req.Clone(ctx)
	req.Trailer = t.req.Trailer // whose values the caller may set while the body is read
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	for name, value := range map[string]string{
		"Accept":          "text/event-stream",
		"Cache-Control":   "no-cache",
		"Accept-Encoding": "identity", // a proxy that compresses and does not flush stalls the stream
	} {
		if keys := spellings(req.Header, name); len(keys) == 0 {
			req.Header.Set(name, value)
		} else if _, ok := req.Header[name]; !ok {
			req.Header[name] = req.Header[keys[0]] // the spelling that net/http looks for
			delete(req.Header, keys[0])
		}
	}
	for _, key := range spellings(req.Header, "Last-Event-ID") {
		delete(req.Header, key)
	}
	// HTTP/1 trims the spaces around a value, HTTP/2 forbids them and net/http sends them.
	if id := textproto.TrimString(lastID); id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	body, err := t.body()
	if err != nil {
		return nil, err
	}
	a := &attempt{Request: req}
	if req.Body = body; prepare != nil {
		held := &heldBody{body}
		if body != nil && body != http.NoBody {
			req.Body = held
		}
		err = prepare(req)
		switch {
		case req.Body == held:
			req.Body = body
		case body != nil:
			a.replaced = body
		}
	}
	if _, spent := req.Body.(spentBody); spent && err == nil {
		err = errSpent
	}
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		a.close()
		return nil, err
	}
	return a, nil
}

// repeats reports whether sending again what was sent, after err, does no harm, by
// net/http's rule. If the server closed the stream itself, the answer to any other method
// than GET and HEAD is complete, even with an Idempotency-Key.
func (t *template) repeats(sent *attempt, err error) bool {
	switch sent.Method {
	case "", http.MethodGet, http.MethodHead:
	case http.MethodOptions, http.MethodTrace:
		if isClean(err) {
			return false
		}
	default:
		if isClean(err) || !hasHeader(sent.Header, "Idempotency-Key") && !hasHeader(sent.Header, "X-Idempotency-Key") {
			return false
		}
	}
	// A body that Prepare made is new for each attempt.
	return sent.replaced != nil || !t.spent()
}

// isClean reports whether err is the end of a stream that the server closed, rather than
// of one that the network cut.
func isClean(err error) bool {
	ue := (*UnfinishedError)(nil)
	return err == io.EOF || errors.As(err, &ue)
}

// spellings returns the keys of h that spell name, in whatever case.
func spellings(h http.Header, name string) (keys []string) {
	for key := range h {
		if strings.EqualFold(key, name) {
			keys = append(keys, key)
		}
	}
	return keys
}

func hasHeader(h http.Header, name string) bool { return len(spellings(h, name)) > 0 }

// lastEventID returns the ID that a request's header carries, in whatever spelling.
func lastEventID(h http.Header) string {
	if id := h.Get("Last-Event-ID"); id != "" {
		return id
	}
	for _, key := range spellings(h, "Last-Event-ID") {
		if values := h[key]; len(values) > 0 {
			return values[0]
		}
	}
	return ""
}
