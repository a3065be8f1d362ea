package browser

import (
	"slices"
	"strings"

	"github.com/lastevent/sse/internal/reference"
)

// A difference is where Chromium and we part, with what decides it: the sentence of a
// standard, in our words, or what it leaves open.
type difference struct {
	what      string
	decides   string
	scenarios []string                      // names, or beginnings of names that end in *
	id        func(lastEventID string) bool // or the last event ID that the scenario's stream leaves
}

// No more than ten: the eleventh would have to be mended.
var differences = []difference{{
	what:      "Chromium refuses a charset other than UTF-8; we read UTF-8 whatever it says",
	decides:   "HTML 9.2.6: streams are decoded as UTF-8; and the web-platform-tests want it opened",
	scenarios: []string{`media type/"text/event-stream; charset=windows-1252"`, "format-utf-8.any.js"},
}, {
	what:      "Chromium takes what stands before a space for the media type",
	decides:   "MIME Sniffing, parse a MIME type: a subtype with a code point that no token may hold is a failure, so this is no event stream",
	scenarios: []string{`media type/"text/event-stream charset=utf-8"`},
}, {
	what: "Chromium asks for content codings, decodes gzip and others, and reads a body in any other coding as it is; " +
		"we ask for identity and reject a body in a coding. Chromium also sends Pragma: no-cache, and we do not",
	decides: "Fetch, HTTP-network-or-cache fetch: the user agent chooses the codings, and Pragma is for old servers. " +
		"We want none because a proxy that compresses a stream holds its events back",
	scenarios: []string{"encoding/gzip*", "encoding/compress*", "header/the standard's"},
}, {
	what:      "after a redirect Chromium reconnects to the target, we to the original URL",
	decides:   "HTML 9.2.3 fetches the same request again, to whose URLs Fetch, HTTP-redirect fetch, has added the target: Chromium is right; we ask the original URL, which may by then send its clients elsewhere",
	scenarios: []string{"redirect/301, then*", "redirect/302, then*", "redirect/303, then*", "redirect/307, then*", "redirect/308, then*"},
}, {
	what:      "we follow nine redirects, Chromium twenty",
	decides:   "Fetch, HTTP-redirect fetch: the twenty-first is a network error; ours is the limit of net/http, which CheckRedirect changes",
	scenarios: []string{"redirect/10 times", "redirect/20 times"},
}, {
	what:      "a header that is cut short is a complete one to Chromium, and a network error to us, so we connect again",
	decides:   "RFC 9112, section 8: a response that closes before its header section has ended is incomplete",
	scenarios: []string{"drop/in the header"},
}, {
	what:      "an empty retry field sets Chromium's own default, and nothing for us",
	decides:   "HTML 9.2.6: a value counts if it consists of ASCII digits, as an integer in base ten, which the empty string is not",
	scenarios: []string{`wait/retry "" does not count`},
}, {
	what:      "without a retry field Chromium waits 3 s, we 1 s to 2 s",
	decides:   "HTML 9.2.2: the time is the implementation's choice, of a few seconds perhaps",
	scenarios: []string{"wait/no retry at all"},
}, {
	what: "Chromium sends any last event ID; we send none that a server would refuse (over 8 KiB, control characters) but the one before it, " +
		"and no header where nothing but spaces would be left",
	decides:   "HTML 9.2.3 sends an ID that is not empty; net/http's servers answer 400 to these, and then the stream is over for a browser",
	scenarios: []string{"header/an ID of 9000 bytes"},
	id: func(id string) bool {
		return id != "" && (strings.Trim(id, " \t") == "" ||
			strings.ContainsFunc(id, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }))
	},
}, {
	what:      "Chromium takes a URL with a space in its host, and data: URLs; to us the first is an error and the second cannot be fetched",
	decides:   "URL, forbidden host code points: a space is one, so the constructor throws; data: is nothing that HTTP can fetch",
	scenarios: []string{"url/http://this is invalid/", "url/data:*"},
}}

// knownDifference returns the difference that a scenario shows, or nil.
func knownDifference(sc *scenario) *difference {
	i := slices.IndexFunc(differences, func(d difference) bool {
		return d.id != nil && sc.stream != nil && d.id(reference.Parse(sc.stream, "").LastEventID) ||
			slices.ContainsFunc(d.scenarios, func(pattern string) bool {
				prefix, ok := strings.CutSuffix(pattern, "*")
				return pattern == sc.name || ok && strings.HasPrefix(sc.name, prefix)
			})
	})
	if i < 0 {
		return nil
	}
	return &differences[i]
}
