package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const maxDepth = 1000 // of JSON

// A count such as max_tokens is no secret, unless it is a text.
var countName = regexp.MustCompile(`(?i)tokens(_details|count)?$`)

// Body replaces the secrets of a request's body by blank: the values whose names suggest a
// secret, in JSON, in a form, or in a form of several parts, and the secrets of URLs. It
// returns the values, too.
func Body(contentType string, body []byte, blank string) (redacted []byte, values []string) {
	media, params, _ := mime.ParseMediaType(contentType)
	var spans []span
	first := append(bytes.TrimLeft(body, " \t\r\n"), 0)[0]
	switch {
	case media == "multipart/form-data":
		spans = multipartSpans(body, params["boundary"])
	case first == '{' || first == '[':
		spans = jsonSpans(body)
	default:
		spans = formSpans(body)
	}
	var b bytes.Buffer
	from := 0
	for _, s := range spans {
		b.Write(body[from:s.from])
		b.WriteString(s.blank(blank))
		from = s.to
		if s.value != "" {
			values = append(values, s.value)
		}
	}
	b.Write(body[from:])
	return []byte(Redact(b.String(), blank)), append(values, Parameters(string(body))...)
}

// A span is the place of a value, and the value without its encoding.
type span struct {
	from, to int
	value    string
	json     bool
}

func (s span) blank(blank string) string {
	if s.json {
		return strconv.Quote(blank)
	}
	return blank
}

var errTooDeep = errors.New("the JSON is nested too deeply")

// jsonSpans returns the secrets of JSON values, one after another. What is not understood is
// a secret, with all that follows it.
func jsonSpans(body []byte) (spans []span) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var value func(name string, isSecret bool, depth int) error
	value = func(name string, isSecret bool, depth int) error {
		if depth > maxDepth {
			return errTooDeep
		}
		from := int(dec.InputOffset())
		token, err := dec.Token()
		if err != nil {
			return err
		}
		add := func(text string) {
			from += bytes.IndexFunc(body[from:], func(r rune) bool { return !strings.ContainsRune(" \t\r\n,:", r) })
			spans = append(spans, span{from, int(dec.InputOffset()), text, true})
		}
		switch token := token.(type) {
		case json.Delim:
			for dec.More() {
				name, inner := name, isSecret
				if token == '{' {
					key, err := dec.Token()
					if err != nil {
						return err
					}
					name, _ = key.(string)
					inner = isSecret || IsName(name)
				}
				if err := value(name, inner, depth+1); err != nil {
					return err
				}
			}
			_, err := dec.Token()
			return err
		case string:
			if isSecret {
				add(token)
			}
		case json.Number:
			if isSecret && !countName.MatchString(name) {
				add(token.String())
			}
		}
		return nil
	}
	for {
		if err := value("", false, 0); err == io.EOF {
			return spans
		} else if err != nil {
			return append(spans, span{from: int(dec.InputOffset()), to: len(body)})
		}
	}
}

// formSpans returns the secrets of a form (application/x-www-form-urlencoded).
func formSpans(body []byte) (spans []span) {
	from := 0
	for pair := range bytes.SplitSeq(body, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		if len(value) > 0 && IsName(unescape(string(name))) {
			text := string(value)
			if s, err := url.QueryUnescape(text); err == nil {
				text = s
			}
			spans = append(spans, span{from: from + len(name) + 1, to: from + len(pair), value: text})
		}
		from += len(pair) + 1
	}
	return spans
}

var partName = regexp.MustCompile(`(?i)content-disposition:[^\r\n]*[; ]name="?([^"\r\n;]+)`)

// multipartSpans returns the secrets of a form of several parts (RFC 7578).
func multipartSpans(body []byte, boundary string) (spans []span) {
	from := 0
	for part := range bytes.SplitSeq(body, []byte("--"+boundary)) {
		header, value, ok := bytes.Cut(part, []byte("\r\n\r\n"))
		value = bytes.TrimSuffix(value, []byte("\r\n"))
		if m := partName.FindSubmatch(header); ok && m != nil && IsName(string(m[1])) {
			start := from + len(header) + 4
			spans = append(spans, span{from: start, to: start + len(value), value: string(value)})
		}
		from += len(part) + len(boundary) + 2
	}
	return spans
}
