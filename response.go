package sse

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

const (
	maxRefusalBody  = 64 << 10        // bytes of a response that is no event stream,
	refusalSilence  = time.Second     // the longest wait for the next of them,
	refusalTimeout  = 5 * time.Second // and for all of them
	maxQuotedBody   = 256             // bytes of it in the error's text
	maxQuotedHeader = 64              // bytes of a header's value there
	maxQuotedURL    = 256             // bytes of the URL there
)

// A ResponseError is a response that is no event stream: its status is not 200, or its
// media type is not text/event-stream, or it has a Content-Encoding that net/http did not
// decode.
type ResponseError struct {
	Method     string      // of the request that was answered, after redirects
	URL        string      // of that request, without userinfo
	StatusCode int         // 404, say
	Header     http.Header // Retry-After, WWW-Authenticate, …
	Body       []byte      // the first 64 KiB, or what arrived of them in time: see CheckResponse
}

// Error returns the request's method and URL, without its query; the status; for a 200,
// the header fields that show why it is no event stream; and the beginning of the body.
func (e *ResponseError) Error() string {
	msg := "sse: "
	if e.URL != "" {
		url, _, _ := strings.Cut(e.URL, "?")
		msg += e.Method + " " + clip(url, maxQuotedURL) + ": "
	}
	msg += strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode)))
	if e.StatusCode == http.StatusOK {
		msg += fmt.Sprintf(" without an event stream (Content-Type %q, Content-Encoding %q)",
			clip(e.Header.Get("Content-Type"), maxQuotedHeader), clip(e.Header.Get("Content-Encoding"), maxQuotedHeader))
	}
	if body := strings.TrimSpace(clip(string(e.Body), maxQuotedBody)); body != "" {
		msg += fmt.Sprintf(": %q", body)
	}
	return msg
}

// clip returns the first bytes of s, at most limit of them, without half a rune at the cut.
func clip[S string | []byte](s S, limit int) S {
	if len(s) <= limit {
		return s
	}
	s = s[:limit]
	return s[:limit-unfinishedRune(s)]
}

// CheckResponse is the check of a [Client] that has none of its own. It returns nil if resp
// is an event stream: its status is 200, its media type is text/event-stream, and its
// content coding, if any, is not one of gzip, deflate, compress, br, zstd, dcb and dcz.
//
// Otherwise the error is a [*ResponseError], also for 204 No Content, and the body has been
// closed. It was read until its end, until 64 KiB, until one second passed without a byte,
// or for five seconds.
func CheckResponse(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK && mediaType(resp.Header) == "text/event-stream" && !isEncoded(resp.Header) {
		return nil
	}
	e := &ResponseError{StatusCode: resp.StatusCode, Header: resp.Header}
	if req := resp.Request; req != nil {
		if e.Method = req.Method; e.Method == "" {
			e.Method = http.MethodGet
		}
		if req.URL != nil {
			u := *req.URL
			u.User = nil
			e.URL = u.String()
		}
	}
	if resp.Body != nil {
		e.Body = readRefusal(resp.Body)
	}
	return e
}

// readRefusal returns the beginning of a refusal's body, and closes the body. A Read that
// waits too long is ended by closing it.
func readRefusal(body io.ReadCloser) []byte {
	deadline := time.Now().Add(refusalTimeout)
	timer := time.AfterFunc(refusalSilence, func() { body.Close() })
	defer timer.Stop()
	defer body.Close()
	var read []byte
	buf := make([]byte, 4<<10)
	for len(read) < maxRefusalBody {
		n, err := body.Read(buf[:min(len(buf), maxRefusalBody-len(read))])
		read = append(read, buf[:n]...)
		if err != nil || !timer.Reset(min(refusalSilence, time.Until(deadline))) {
			break
		}
	}
	return read
}

// isEncoded reports whether a body is in a content coding. Tokens that name no coding, such
// as none, utf-8 or chunked, are ignored, as in browsers.
func isEncoded(h http.Header) bool {
	rest := strings.Join(h["Content-Encoding"], ",")
	for rest != "" {
		var coding string
		coding, rest, _ = strings.Cut(rest, ",")
		coding, _, _ = strings.Cut(coding, ";")
		switch strings.ToLower(strings.Trim(coding, " \t\"")) {
		case "gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz":
			return true
		}
	}
	return false
}

// mediaType returns the media type in lower case, or "" if there is none. If there are
// several, the last valid one counts, as in the Fetch standard's "extract a MIME type".
// Parameters do not matter, not even malformed ones: the stream is UTF-8 whatever its
// charset says.
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
