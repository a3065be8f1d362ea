package sse

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

const maxRefusalBody = 1 << 10 // bytes of a response that is no event stream

// A ResponseError is a response that is no event stream: its status is not 200, or its
// media type is another one, or it has a Content-Encoding that net/http has not undone.
type ResponseError struct {
	StatusCode int         // 404, say
	Header     http.Header // Retry-After, WWW-Authenticate, …
	Body       []byte      // the first KiB, as far as it came within 5 s
}

// Error returns the status, what keeps a 200 from being an event stream, and the
// beginning of the body.
func (e *ResponseError) Error() string {
	msg := strings.TrimSpace(fmt.Sprintf("sse: %d %s", e.StatusCode, http.StatusText(e.StatusCode)))
	if e.StatusCode == http.StatusOK {
		msg += fmt.Sprintf(" without an event stream (Content-Type %q, Content-Encoding %q)",
			e.Header.Get("Content-Type"), e.Header.Get("Content-Encoding"))
	}
	if body := strings.TrimSpace(string(e.Body[:min(len(e.Body), 256)])); body != "" {
		msg += fmt.Sprintf(": %q", body)
	}
	return msg
}

// checkResponse returns nil for an event stream, errNoContent for 204, which says that
// there is no more, and a *ResponseError for anything else.
func checkResponse(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return errNoContent
	case resp.StatusCode == http.StatusOK && isEventStream(resp.Header):
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusalBody)) // what there is of it
	return &ResponseError{StatusCode: resp.StatusCode, Header: resp.Header, Body: body}
}

func isEventStream(h http.Header) bool {
	encoding := h.Get("Content-Encoding")
	return mediaType(h) == "text/event-stream" && (encoding == "" || strings.EqualFold(encoding, "identity"))
}

// mediaType returns the media type in lower case, "" if there is none. Of several, the
// last counts that can be one, as the Fetch standard extracts a MIME type. Parameters
// do not matter, not even malformed: the stream is UTF-8 whatever charset says.
func mediaType(h http.Header) (last string) {
	rest := strings.Join(h["Content-Type"], ",")
	for rest != "" {
		var value string
		value, rest = cutList(rest)
		value, _, _ = strings.Cut(value, ";")
		if t, _, err := mime.ParseMediaType(value); err == nil && t != "*/*" && strings.Contains(t, "/") {
			last = t
		}
	}
	return last
}

// cutList cuts a header's value at its first comma outside of quotes.
func cutList(v string) (before, after string) {
	quoted := false
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '"':
			quoted = !quoted
		case v[i] == '\\' && quoted:
			i++
		case v[i] == ',' && !quoted:
			return v[:i], v[i+1:]
		}
	}
	return v, ""
}
