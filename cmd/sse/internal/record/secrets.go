package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lastevent/sse/cmd/sse/internal/secret"
	"github.com/lastevent/sse/internal/recording"
)

const (
	minSecret = 4 // bytes; shorter ones are hidden where they stand, but not looked for elsewhere
	minCookie = 8 // the same for a cookie whose name suggests no secret
)

// A redactor removes from a recording what is not for showing around: credentials, wherever
// they stand, and what the user's patterns match. A nil redactor removes nothing.
type redactor struct {
	patterns    []*regexp.Regexp
	credentials bool // are to be removed, too

	mu      sync.Mutex
	secrets [][]byte // to look for, the longest first
}

// known returns the secrets that have been seen so far.
func (r *redactor) known() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.secrets
}

// add has values looked for, in all the forms in which they may come back.
func (r *redactor) add(values ...string) {
	if !r.credentials {
		return
	}
	forms := make(map[string]bool)
	for _, v := range values {
		for _, plain := range []string{v, unescaped(v)} {
			forms[plain], forms[url.QueryEscape(plain)], forms[url.PathEscape(plain)] = true, true, true
			for _, escapeHTML := range []bool{false, true} {
				quoted := inJSON(plain, escapeHTML)
				forms[quoted], forms[inJSON(quoted, escapeHTML)] = true, true // the latter of a JSON body in JSON
			}
			for line := range strings.Lines(plain) { // each becomes a data field of its own
				forms[strings.TrimRight(line, "\r\n")] = true
			}
		}
	}
	maps.DeleteFunc(forms, func(form string, _ bool) bool {
		return len(form) < minSecret || strings.Contains(form, recording.Redacted)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.secrets {
		forms[string(s)] = true
	}
	if len(forms) == len(r.secrets) {
		return
	}
	r.secrets = nil // not changed in place: known's callers have it
	for _, form := range slices.SortedFunc(maps.Keys(forms), func(a, b string) int { return len(b) - len(a) }) {
		r.secrets = append(r.secrets, []byte(form))
	}
}

// inJSON returns a text as JSON has it, without its quotes.
func inJSON(text string, escapeHTML bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(escapeHTML)
	_ = enc.Encode(text)
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `"`), "\"\n")
}

func unescaped(value string) string {
	if s, err := url.QueryUnescape(value); err == nil {
		return s
	}
	return value
}

// addURL has the secrets of a URL looked for.
func (r *redactor) addURL(u *url.URL) {
	if u.User != nil {
		password, ok := u.User.Password()
		if ok {
			r.add(password)
			r.addBasic(u.User.Username(), password)
		} else {
			r.add(u.User.Username()) // a token
		}
	}
	r.add(secret.Parameters("?" + u.RawQuery)...)
}

func (r *redactor) addBasic(name, password string) {
	pair := name + ":" + password
	r.add(password, pair, base64.StdEncoding.EncodeToString([]byte(pair)))
}

// addHeader has the secrets of a header looked for.
func (r *redactor) addHeader(h http.Header) {
	for name, values := range h {
		for _, value := range values {
			r.add(secret.Parameters(value)...)
			switch {
			case strings.EqualFold(name, "Cookie"):
				cookies, _ := http.ParseCookie(value)
				r.addCookies(cookies)
			case strings.EqualFold(name, "Set-Cookie"):
				if cookie, err := http.ParseSetCookie(value); err == nil {
					r.addCookies([]*http.Cookie{cookie})
				}
			case secret.IsName(name):
				r.addCredentials(value)
			}
		}
	}
}

func (r *redactor) addCookies(cookies []*http.Cookie) {
	for _, c := range cookies {
		if secret.IsName(c.Name) || len(c.Value) >= minCookie {
			r.add(c.Value)
		}
	}
}

// addCredentials has the value of a header looked for: all of it, and what follows its
// scheme, if there is one.
func (r *redactor) addCredentials(value string) {
	r.add(value)
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok {
		return
	}
	rest = strings.TrimSpace(rest)
	r.add(rest)
	for param := range strings.SplitSeq(rest, ",") { // of Digest and the like
		if _, v, ok := strings.Cut(param, "="); ok {
			r.add(strings.Trim(v, `" `))
		}
	}
	if !strings.EqualFold(scheme, "Basic") {
		return
	}
	if pair, err := base64.StdEncoding.DecodeString(rest); err == nil {
		if name, password, ok := strings.Cut(string(pair), ":"); ok {
			r.addBasic(name, password)
		}
	}
}

// value returns what is recorded of the value of a header.
func (r *redactor) value(name, value string) string {
	switch {
	case r == nil:
		return value
	case r.credentials && secret.IsName(name):
		return recording.Redacted
	}
	return r.text(value)
}

// text returns what is recorded of a text: a target, or a value.
func (r *redactor) text(text string) string {
	switch {
	case r == nil:
		return text
	case r.credentials:
		text = secret.Redact(text, recording.Redacted)
	}
	return r.hide(text)
}

// hide removes the secrets that are looked for, and what the patterns match.
func (r *redactor) hide(text string) string {
	for _, s := range r.known() {
		text = strings.ReplaceAll(text, string(s), recording.Redacted)
	}
	b := []byte(text)
	hidePatterns(r.patterns, b, b)
	return string(b)
}

// body returns what is recorded of a request's body, and has its secrets looked for.
func (r *redactor) body(contentType string, body []byte) string {
	switch {
	case r == nil:
		return string(body)
	case !r.credentials:
		return r.hide(string(body))
	}
	redacted, values := secret.Body(contentType, body, recording.Redacted)
	r.add(values...)
	return r.hide(string(redacted))
}

// hidePatterns puts anonymous characters in place of what patterns match in a line.
func hidePatterns(patterns []*regexp.Regexp, line, hide []byte) {
	for _, pattern := range patterns {
		for _, match := range pattern.FindAllSubmatchIndex(bytes.Clone(line), -1) {
			from, to := submatch(match)
			for i := from; i < to; i++ {
				hide[i] = anonymous(line[i])
			}
		}
	}
}
