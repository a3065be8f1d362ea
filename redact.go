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
	redacted, quoted := cutUserinfo(text, false)
	var asked []string
	ue.URL, asked = cutUserinfo(ue.URL, true)
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

// redactURL is redact for the error of parsing s. The error of net/url has lost what follows
// a number sign, which may be the rest of a password.
func redactURL(err error, s string) error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		ue.URL = s
	}
	return redact(err)
}

// cutUserinfo replaces the userinfo of all URLs in a text, parsable or not: what stands
// between // and the last @ of the URL. A URL reaches to the end of the quotes that it
// stands in, or to a space or a quote if there are none, or is the whole text. The parts of
// the passwords are returned, too, as net/url would split them.
func cutUserinfo(text string, whole bool) (redacted string, secrets []string) {
	var b strings.Builder
	inQuotes := false
	for {
		before, after, found := strings.Cut(text, "//")
		b.WriteString(before)
		if !found {
			return b.String(), secrets
		}
		b.WriteString("//")
		for rest := before; rest != ""; inQuotes = inQuotes != found {
			_, rest, found = cutQuote(rest)
		}
		target := after
		if inQuotes {
			target, _, _ = cutQuote(after)
		} else if end := strings.IndexAny(after, " \"'<>\t\r\n"); end >= 0 && !whole {
			target = after[:end]
		}
		if at := strings.LastIndexByte(target, '@'); at > 0 {
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

// cutQuote cuts s at its first quote that has no backslash before it.
func cutQuote(s string) (before, after string, found bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}
