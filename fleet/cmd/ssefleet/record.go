package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lastevent/sse"
)

// A record is an event as every output writes it.
type record struct {
	Stream string `json:"stream"`
	Type   string `json:"type"`
	ID     string `json:"id"`
	Data   string `json:"data"`
	Member string `json:"member"`
	Token  uint64 `json:"token"` // see fleet.FencingToken
}

// encode returns the JSON of an event on one line, without a newline. It is safe to
// show on a terminal: what is not printable is escaped.
func encode(member, stream string, token uint64, ev sse.Event) ([]byte, error) {
	return encodeJSON(newRecord(member, stream, token, ev))
}

func newRecord(member, stream string, token uint64, ev sse.Event) record {
	return record{stream, ev.Type, ev.LastEventID, ev.Data, member, token}
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return escapeJSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// escapeJSON escapes in JSON the runes that a terminal may obey and that encoding/json
// leaves: DEL, C1, and the controls of bidirectional text. All of them stand in strings.
func escapeJSON(b []byte) []byte {
	if bytes.IndexFunc(b, obeyed) < 0 {
		return b
	}
	var out []byte
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if obeyed(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, b[:size]...)
		}
		b = b[size:]
	}
	return out
}

// obeyed reports whether a terminal may obey r, or lay out what follows in another direction.
func obeyed(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// printable returns s for people: escaped where a terminal would obey it, and cut to a length.
func printable(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "…"
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexFunc(s, obeyed) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if obeyed(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
