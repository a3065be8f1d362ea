package record

import (
	"bytes"
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

	maxTheirs = 200      // forms of secrets that servers set; the latest are looked for
	maxSecret = 16 << 10 // bytes of one that a server sets
)

// fieldNames are those of a stream. To hide a part of one would break the stream, and a
// password that is one hides nothing.
const fieldNames = "data event retry"

// A redactor removes from a recording what is not for showing around: credentials, wherever
// they stand, and what the user's patterns match. A nil redactor removes nothing.
type redactor struct {
	patterns    []*regexp.Regexp
	credentials bool // are to be removed, too

	mu     sync.Mutex
	ours   map[string]bool // of requests
	theirs []string        // of responses, the latest last
	all    [][]byte        // the longest first; never changed in place
}

// known returns the secrets to look for, the longest first.
func (r *redactor) known() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}

// add has values of requests looked for, in all the forms in which they may come back.
func (r *redactor) add(values ...string) {
	if !r.credentials {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ours == nil {
		r.ours = make(map[string]bool)
	}
	before := len(r.ours)
	for _, v := range values {
		for form := range forms(v) {
			r.ours[form] = true
		}
	}
	if len(r.ours) > before {
		r.sort()
	}
}

// addTheirs has values of a response looked for, as long as there are not too many.
func (r *redactor) addTheirs(values ...string) {
	if !r.credentials {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range values {
		if len(v) > maxSecret {
			continue
		}
		for _, form := range slices.Sorted(maps.Keys(forms(v))) {
			if !r.ours[form] && !slices.Contains(r.theirs, form) {
				r.theirs = append(r.theirs, form)
			}
		}
	}
	r.theirs = slices.Clone(r.theirs[max(0, len(r.theirs)-maxTheirs):])
	r.sort()
}

// sort makes the list of all. The caller holds the lock.
func (r *redactor) sort() {
	all := slices.AppendSeq(slices.Clone(r.theirs), maps.Keys(r.ours))
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	r.all = nil
	for _, form := range all {
		r.all = append(r.all, []byte(form))
	}
}

// forms returns the forms in which a value may stand in a header, a URL or a body.
func forms(value string) map[string]bool {
	forms := make(map[string]bool)
	for _, plain := range []string{value, unescaped(value)} {
		forms[plain], forms[url.QueryEscape(plain)], forms[url.PathEscape(plain)] = true, true, true
		for _, escapeHTML := range []bool{false, true} {
			quoted := inJSON(plain, escapeHTML)
			forms[quoted], forms[inJSON(quoted, escapeHTML)] = true, true // the latter of a JSON body in JSON
		}
		for line := range strings.Lines(plain) { // each becomes a data field of its own
			forms[strings.TrimRight(line, "\r\n")] = true
		}
	}
	maps.DeleteFunc(forms, func(form string, _ bool) bool {
		return len(form) < minSecret || strings.Contains(form, recording.Redacted) || strings.Contains(fieldNames, form)
	})
	return forms
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
			r.add(basicSecrets(u.User.Username(), password)...)
		} else {
			r.add(u.User.Username()) // a token
		}
	}
	r.add(secret.Parameters("?" + u.RawQuery)...)
}

// addHeader has the secrets of a request's header looked for.
func (r *redactor) addHeader(h http.Header) { r.add(headerSecrets(h)...) }

// addResponse has the secrets of a response's header looked for.
func (r *redactor) addResponse(h http.Header) { r.addTheirs(headerSecrets(h)...) }

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
