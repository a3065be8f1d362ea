package main

import (
	"net/url"
	"regexp"
	"strings"
)

// What -v and errors say is for showing around: neither a password nor a token is in it.

const hidden = "(hidden)"

var (
	// A name that suggests a secret, of a header or of a query's parameter.
	secretName = regexp.MustCompile(`(?i)token|secret|passw|pwd|cookie|session|signature|credential|jwt|` +
		`auth$|authorization|key$|^(code|sid|sig|pass)$|[-_.](sig|sid)$`)
	publicName = regexp.MustCompile(`(?i)^(x-)?idempotency-key$|^sec-websocket-key$`)

	parameter = regexp.MustCompile(`([?&;#])([^=&;#\s"'<>]+)=([^&;#\s"'<>]*)`)
)

func isSecret(name string) bool { return secretName.MatchString(name) && !publicName.MatchString(name) }

// redact hides the secrets of all URLs in a text: userinfo, and the values of parameters
// whose names suggest a secret.
func redact(text string) string {
	return parameter.ReplaceAllStringFunc(redactUserinfo(text), func(match string) string {
		m := parameter.FindStringSubmatch(match)
		name, err := url.QueryUnescape(m[2])
		if err != nil {
			name = m[2]
		}
		if !isSecret(name) {
			return match
		}
		return m[1] + m[2] + "=" + hidden
	})
}

// redactUserinfo hides what stands between // and the last @ of a URL's authority. A URL
// that does not parse, since its password has a delimiter in it, is hidden up to the last @
// of the line or the quotation.
func redactUserinfo(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "//")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("//")
		end := indexAny(after, " \"'<>\t\r\n")
		authority := indexAny(after[:end], "/?#")
		if _, password, ok := strings.Cut(after[:authority], ":"); ok && after[0] != '[' && strings.Trim(password, "0123456789") != "" {
			authority = indexAny(after, "\"'<>\r\n")
		}
		if at := strings.LastIndexByte(after[:authority], '@'); at >= 0 {
			b.WriteString(hidden)
			after = after[at:]
		}
		text = after
	}
}

// indexAny is strings.IndexAny, but len(s) where there is none.
func indexAny(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}
