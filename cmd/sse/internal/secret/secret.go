// Package secret finds the secrets of a request: in headers, in URLs and in bodies. What
// -v, errors and recordings show is for showing around, so neither a password nor a token
// may be in it.
package secret

import (
	"net/url"
	"regexp"
	"strings"
)

var (
	// A name that suggests a secret, of a header, a query's parameter or a body's field.
	secretName = regexp.MustCompile(`(?i)token|secret|passw|passphrase|pwd|cookie|session|signature|credential|jwt|csrf|xsrf|bearer|hmac|assertion|` +
		`auth$|authorization|key$|^(code|sid|sig|pass|pin|otp)$|[-_.](sig|sid|otp)$`)
	publicName = regexp.MustCompile(`(?i)^(x-)?idempotency-key$|^sec-websocket-key$`)

	parameter = regexp.MustCompile(`([?&;#])([^=&;#\s"'<>]+)=([^&;#\s"'<>]+)`)
)

// IsName reports whether a name suggests a secret.
func IsName(name string) bool { return secretName.MatchString(name) && !publicName.MatchString(name) }

// Redact puts blank in place of the secrets of all URLs in a text: userinfo, and the values
// of parameters whose names suggest a secret.
func Redact(text, blank string) string {
	return parameter.ReplaceAllStringFunc(redactUserinfo(text, blank), func(match string) string {
		m := parameter.FindStringSubmatch(match)
		if !IsName(unescape(m[2])) {
			return match
		}
		return m[1] + m[2] + "=" + blank
	})
}

// Parameters returns the values that Redact removes from the queries of URLs, as they stand
// in the text.
func Parameters(text string) (values []string) {
	for _, m := range parameter.FindAllStringSubmatch(text, -1) {
		if IsName(unescape(m[2])) {
			values = append(values, m[3])
		}
	}
	return values
}

func unescape(name string) string {
	if s, err := url.QueryUnescape(name); err == nil {
		return s
	}
	return name
}

// redactUserinfo replaces what stands between // and the last @ of a URL's authority. A URL
// that does not parse, since its password has a delimiter in it, loses all up to the last @
// of the line or the quotation.
func redactUserinfo(text, blank string) string {
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
			b.WriteString(blank)
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
