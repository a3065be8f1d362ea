package sse

import (
	"errors"
	"net/url"
	"strings"
)

// redact returns err without the passwords of the URLs that its text quotes: that of the
// request, and of a redirect's target, which net/http quotes as the server wrote it.
func redact(err error) error {
	ue := (*url.Error)(nil)
	if !errors.As(err, &ue) {
		return err
	}
	ue.URL = redactText(ue.URL)
	if text := ue.Err.Error(); redactText(text) != text {
		ue.Err = &redacted{redactText(text), ue.Err}
	}
	return err
}

// A redacted is an error with another text.
type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.err }

// redactText replaces the userinfo of all URLs in a text, parsable or not: what stands
// between // and the last @ before a space or a quote.
func redactText(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "//")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("//")
		end := strings.IndexAny(after, " \"'<>\t\r\n")
		if end < 0 {
			end = len(after)
		}
		if at := strings.LastIndexByte(after[:end], '@'); at >= 0 {
			b.WriteString("xxxxx")
			after = after[at:]
		}
		text = after
	}
}
