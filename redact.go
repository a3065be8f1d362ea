package sse

import (
	"errors"
	"net/url"
	"strings"
)

// redact removes the userinfo of URLs from an error of net/http or net/url: from that of
// the request, and from a redirect's target, which net/http quotes as the server wrote it.
func redact(err error) error {
	ue := (*url.Error)(nil)
	if !errors.As(err, &ue) {
		return err
	}
	text := ue.Err.Error()
	redacted, quoted := cutUserinfo(text)
	var asked []string
	ue.URL, asked = cutUserinfo(ue.URL)
	if ue.Op == "parse" || len(quoted) > 0 {
		for _, secret := range append(asked, quoted...) {
			redacted = strings.ReplaceAll(redacted, secret, blank) // of what is left, net/url quotes parts
		}
	}
	if redacted != text {
		ue.Err = errors.New(redacted) // without its chain, which has the text as it was
	}
	return err
}

const blank = "xxxxx"

// cutUserinfo replaces the userinfo of all URLs in a text, parsable or not: what stands
// between // and the last @ before a space or a quote. It returns the parts of the
// passwords, too, as net/url would split them.
func cutUserinfo(text string) (redacted string, secrets []string) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "//")
		b.WriteString(before)
		if !found {
			return b.String(), secrets
		}
		b.WriteString("//")
		end := strings.IndexAny(after, " \"'<>\t\r\n")
		if end < 0 {
			end = len(after)
		}
		if at := strings.LastIndexByte(after[:end], '@'); at >= 0 {
			user, password, _ := strings.Cut(after[:at], ":")
			if password == "" {
				password = user // a token
			}
			secrets = append(secrets, strings.FieldsFunc(password, func(r rune) bool {
				return strings.ContainsRune(":/?#", r)
			})...)
			b.WriteString(blank)
			after = after[at:]
		}
		text = after
	}
}
