package browser

import (
	"slices"
	"strings"

	"github.com/lastevent/sse/internal/reference"
)

// A difference is something that Chromium and we do differently. What decides it is a
// sentence of a standard, in our words, or what the standard leaves open.
type difference struct {
	what      string
	decides   string
	scenarios []string                      // names, or beginnings of names that end in *
	id        func(lastEventID string) bool // or the last event ID in force after the scenario's stream
}

// There are at most ten: an eleventh would have to be fixed.
var differences = []difference{{
	what:      "Chromium rejects a charset other than UTF-8; we read every stream as UTF-8",
	decides:   "HTML 9.2.6 decodes streams as UTF-8, and the web-platform-tests expect that such a stream opens",
	scenarios: []string{`media type/"text/event-stream; charset=windows-1252"`, "format-utf-8.any.js"},
}, {
	what:      "Chromium takes the text before a space for the media type, and opens the stream",
	decides:   "MIME Sniffing, parse a MIME type: a subtype with a character that is not allowed in a token is a failure, so this is no event stream",
	scenarios: []string{`media type/"text/event-stream charset=utf-8"`},
}, {
	what: "Chromium asks for content codings, decodes gzip and others, and reads a body in any other coding as it is; " +
		"we ask for identity and reject a body in a coding. Chromium also sends Pragma: no-cache, and we do not",
	decides: "Fetch, HTTP-network-or-cache fetch: the user agent chooses the codings, and Pragma is for old servers. " +
		"We want none because a proxy that compresses a stream holds its events back",
	scenarios: []string{"encoding/gzip*", "encoding/compress*", "header/the standard's"},
}, {
	what:      "after a redirect Chromium reconnects to the target, and we reconnect to the original URL",
	decides:   "HTML 9.2.3 fetches the same request again, and Fetch, HTTP-redirect fetch, has added the target to its URLs, so Chromium is right; we ask the original URL because it may send its clients elsewhere by then",
	scenarios: []string{"redirect/301, then*", "redirect/302, then*", "redirect/303, then*", "redirect/307, then*", "redirect/308, then*"},
}, {
	what:      "Chromium follows twenty redirects, and we follow nine",
	decides:   "Fetch, HTTP-redirect fetch: the twenty-first is a network error; nine is the limit of net/http, which CheckRedirect changes",
	scenarios: []string{"redirect/10 times", "redirect/20 times"},
}, {
	what:      "Chromium takes a header that was cut short for a complete one; to us it is a network error, and we reconnect",
	decides:   "RFC 9112, section 8: a response that closes before its header section has ended is incomplete",
	scenarios: []string{"drop/in the header"},
}, {
	what:      "an empty retry field sets the reconnection time to Chromium's default, and we ignore it",
	decides:   "HTML 9.2.6: a value counts if it consists of ASCII digits and is an integer in base ten, which the empty string is not",
	scenarios: []string{`wait/retry "" does not count`},
}, {
	what:      "without a retry field Chromium waits 3 s, and our EventSource waits 1 s to 1.25 s",
	decides:   "HTML 9.2.2 leaves the time to the implementation, and suggests a few seconds",
	scenarios: []string{"wait/no retry at all"},
}, {
	what: "Chromium sends any last event ID; where a server would reject the ID (over 8 KiB, or with a control character), " +
		"we send the last one before it, and where only spaces would be left, we send no header",
	decides:   "HTML 9.2.3 sends every ID that is not empty; net/http's servers answer 400 to these, which ends the stream of a browser",
	scenarios: []string{"header/an ID of 9000 bytes"},
	id: func(id string) bool {
		return id != "" && (strings.Trim(id, " \t") == "" ||
			strings.ContainsFunc(id, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }))
	},
}, {
	what:      "Chromium accepts a URL with a space in its host, and data: URLs; to us the first is an error, and the second cannot be fetched",
	decides:   "URL, forbidden host code points: a space is one of them, so the constructor throws; a data: URL is nothing that HTTP can fetch",
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
