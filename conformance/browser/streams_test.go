package browser

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lastevent/sse/conformance/internal/spec"
	"github.com/lastevent/sse/internal/reference"
)

const (
	generated = 2000
	seed      = 20261121
)

// parserScenarios are the parser's cases and the generated streams.
func parserScenarios(t *testing.T) []*scenario {
	var all []*scenario
	for _, c := range spec.Load(t, "*.json") {
		all = append(all, ofStream(c.Name, c.ContentType, c.Bytes()))
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for n := range generated {
		all = append(all, ofStream(fmt.Sprintf("generated/%d", n), "", generate(rng)))
	}
	return all
}

// ofStream serves a stream, then one event to show what is in force after it, then 204.
func ofStream(name, contentType string, b []byte) *scenario {
	if contentType == "" {
		contentType = "text/event-stream"
	}
	return &scenario{
		name:    name,
		stream:  b,
		types:   types(b),
		answers: []answer{media(contentType, hasten(b)), stream("data: again\n\n")},
	}
}

// hasten ends the stream with a retry field that brings the next connection soon. It
// finishes the last line, if need be, and no block: what was not dispatched is not.
func hasten(b []byte) string {
	if len(b) == 0 || bytes.HasSuffix(b, []byte("\n")) || bytes.HasSuffix(b, []byte("\r")) || string(b) == "\ufeff" {
		return string(b) + "retry:20\n"
	}
	return string(b) + "\nretry:20\n"
}

// types returns everything that a parser may take, rightly or by mistake, for the type of
// one of the stream's events: a browser only shows events that have a listener.
func types(b []byte) []string {
	seen := make(map[string]bool)
	for _, ev := range reference.Parse(b, "").Events {
		seen[ev.Type] = true
	}
	text := strings.ToValidUTF8(string(b), "\ufffd")
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if _, value, ok := strings.Cut(line, "event"); ok {
			for _, typ := range []string{value, strings.TrimPrefix(value, ":"), strings.TrimPrefix(value, ": "), strings.Trim(value, " :\t")} {
				seen[typ] = true
			}
		}
	}
	delete(seen, "message")
	delete(seen, "")
	var list []string
	for typ := range seen {
		list = append(list, typ)
	}
	slices.Sort(list)
	return list
}

// generate makes a stream of the pieces that parsers stumble over.
func generate(rng *rand.Rand) []byte {
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	var b bytes.Buffer
	if rng.IntN(8) == 0 {
		b.WriteString("\ufeff")
	}
	for range 1 + rng.IntN(14) {
		name := pick("data", "data", "data", "data", "event", "event", "id", "id", "retry", "",
			"Data", " data", "data ", "da", "dataset", "data\x00", "ID", "events", "id\xff", "\ufeffdata", "\u2028data", "x")
		colon := pick(":", ": ", ": ", ":  ", ":\t", "", ": :", " :", "：")
		value := pick("", "", "x", "a b", " ", "ü€😀", "\x00", "1\x002", "message", "open", "error", "add",
			"\xff", "\xff\xfe", "\xe2\x82", "\xe2\x82x", "\xf0\x9f\x98", "\xf0\x9f\x98\x80", "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80",
			"\u2028", "\u0085", "\v\f", "…", "10", "010", "+5", "10ms", "1e3", "７", "[1,\"x\"]", "a\tb", "\ufeff",
			strings.Repeat("y", rng.IntN(3000)), strings.Repeat("€", rng.IntN(500)))
		if name == "id" && rng.IntN(3) > 0 {
			value = pick("1", "2:3", "abc", "")
		}
		b.WriteString(name + colon + value)
		b.WriteString(pick("\n", "\n", "\r\n", "\r"))
		if rng.IntN(3) == 0 {
			b.WriteString(pick("\n", "\r\n", "\r", "\n\n"))
		}
	}
	if rng.IntN(3) == 0 { // in the middle of anything
		b.Truncate(rng.IntN(b.Len() + 1))
	}
	return b.Bytes()
}
