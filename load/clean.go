package load

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

const maxExample = 200 // bytes of a text in the report that others had a part in

// cleanURL returns a URL without userinfo, query and fragment, fit for a report.
func cleanURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		// Whatever the parser objects to, what precedes an @ and what follows a ? may be secret.
		if i := strings.LastIndex(s, "@"); i >= 0 {
			s = s[i+1:]
		}
		s, _, _ = strings.Cut(s, "?")
		return cleanText(s)
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	if u.Opaque != "" {
		u.Opaque = "…"
	}
	return cleanText(u.String())
}

var (
	urlInText   = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>]+`)
	queryInText = regexp.MustCompile(`\?[^\s"'<>]*`)
)

// cleanText returns s cut to maxExample bytes, without control characters, and without the secrets
// of URLs in it.
func cleanText(s string) string {
	if len(s) > 4*maxExample {
		s = s[:4*maxExample]
	}
	s = urlInText.ReplaceAllStringFunc(s, func(u string) string {
		u = queryInText.ReplaceAllString(u, "")
		scheme, rest, _ := strings.Cut(u, "://")
		if i := strings.LastIndex(rest, "@"); i >= 0 {
			rest = rest[i+1:]
		}
		return scheme + "://" + rest
	})
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if !unicode.IsPrint(r) { // no control, no bidirectional override, no space but U+0020
			r = '\uFFFD'
		}
		if b.Len()+len(string(r)) > maxExample-len("…") {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
