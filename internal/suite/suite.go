// Package suite reads the cases of the conformance suite, testdata/spec, as the scenarios
// that sseconform plays to a client. The README there describes the files.
package suite

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lastevent/sse/testdata/spec"
)

// Edition names the present cases. A case that was published does not change within an
// edition: results are compared by their IDs.
const Edition = "2026-1"

// The levels of a case, with the meaning of RFC 2119: what the clause requires, what it
// recommends, and what it leaves to the client.
const (
	Must   = "MUST"
	Should = "SHOULD"
	May    = "MAY"
)

// A Clause is a rule of a standard, in our words, and where the standard has it.
type Clause struct {
	Standard string `json:"standard"` // and its section
	URL      string `json:"url"`
	Rule     string `json:"rule"`
}

// An Event is what a client gives its user.
type Event struct {
	Type        string `json:"type"`
	Data        string `json:"data"`
	LastEventID string `json:"lastEventId"`
}

// A Case is a case as its file has it: a parser case has a stream, a scenario has responses.
type Case struct {
	ID      string   `json:"id"` // chapter, slash, name
	Name    string   `json:"name"`
	Clause  string   `json:"clause"` // a key of edition/clauses.json
	Level   string   `json:"level"`
	Tags    []string `json:"tags,omitempty"`
	Source  string   `json:"source,omitempty"`  // the public suite that has the case, too
	Differs string   `json:"differs,omitempty"` // how that suite differs from the standard

	Events []Event `json:"events"` // that the client dispatches, over all connections

	Stream             string      `json:"stream,omitempty"`
	StreamB64          []byte      `json:"stream_b64,omitempty"` // in place of Stream, if that is not UTF-8
	Cuts               []int       `json:"cuts,omitzero"`
	InitialLastEventID string      `json:"initialLastEventId,omitempty"`
	LastEventID        string      `json:"lastEventId,omitempty"` // in force at the end
	Retry              json.Number `json:"retry,omitempty"`       // in milliseconds, of any size
	ContentType        string      `json:"contentType,omitempty"`
	Opens              bool        `json:"opens,omitempty"` // if there is a ContentType
	Reconnect          []Follow    `json:"reconnect,omitempty"`

	Responses []Response `json:"responses,omitempty"`
	Requests  []Request  `json:"requests,omitzero"` // nil: any
	Stops     bool       `json:"stops,omitempty"`   // the client makes no request after these
	Opened    *int       `json:"opened,omitempty"`  // how many responses open the stream; nil: it does not matter
}

// A Follow is a connection after the first one of a parser case.
type Follow struct {
	RequestLastEventID string  `json:"requestLastEventId"`
	Stream             string  `json:"stream"`
	Events             []Event `json:"events"`
}

// A Response is what the server does with one request.
type Response struct {
	Status    int      `json:"status,omitempty"` // 0: 200
	Header    []string `json:"header,omitzero"`  // lines; nil: Content-Type: text/event-stream. {base} is the URL of the directory
	Stream    string   `json:"stream,omitempty"`
	StreamB64 []byte   `json:"stream_b64,omitempty"`
	Raw       *string  `json:"raw,omitempty"`     // all bytes of the response, maybe none, in place of the fields above
	Cuts      []int    `json:"cuts,omitzero"`     // offsets in the stream or in Raw at which the server pauses
	PauseMs   int      `json:"pauseMs,omitempty"` // at each cut, in milliseconds; 0: 5
	End       string   `json:"end,omitempty"`     // one of the constants below; "": Close
}

// How a response ends.
const (
	Close = "close" // it is complete, and the connection is closed. Where Raw is cut off, it is the close that cuts it
	Reset = "reset" // the connection is reset
	Open  = "open"  // it does not end before the scenario does
)

// Bytes returns the stream, or what Raw has.
func (r *Response) Bytes() []byte {
	if r.Raw != nil {
		return []byte(*r.Raw)
	}
	return either(r.StreamB64, r.Stream)
}

// A Request is what the server checks of one request.
type Request struct {
	Method      string            `json:"method,omitempty"`
	Path        string            `json:"path,omitempty"`        // the last part; "": any
	LastEventID *string           `json:"lastEventId,omitempty"` // nil: any; "": the request has no such header
	Header      map[string]string `json:"header,omitempty"`
	MinWaitMs   int               `json:"minWaitMs,omitempty"` // after the end of the response before it, in milliseconds
	MaxWaitMs   int               `json:"maxWaitMs,omitempty"` // 0: any
}

// either returns b, or the bytes of s if that is nil.
func either(b []byte, s string) []byte {
	if b != nil {
		return b
	}
	return []byte(s)
}

// Chapter returns the part of the ID before the slash.
func (c *Case) Chapter() string {
	chapter, _, _ := strings.Cut(c.ID, "/")
	return chapter
}

// Load returns all cases, sorted by chapter in the order of Chapters and then by ID, and
// the clauses that they refer to.
func Load() ([]Case, map[string]Clause, error) {
	var all []Case
	for _, pattern := range []string{"*.json", "scenarios/*.json"} {
		names, err := fs.Glob(spec.Files, pattern)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range names {
			var cases []Case
			if err := read(name, &cases); err != nil {
				return nil, nil, err
			}
			all = append(all, cases...)
		}
	}
	slices.SortFunc(all, func(a, b Case) int {
		return cmp.Or(cmp.Compare(order(&a), order(&b)), cmp.Compare(a.ID, b.ID))
	})
	var clauses map[string]Clause
	if err := read("edition/clauses.json", &clauses); err != nil {
		return nil, nil, err
	}
	return all, clauses, nil
}

func read(name string, v any) error {
	b, err := spec.Files.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Chapters are the parts of the suite, from bytes to connections.
var Chapters = []string{
	"bom", "utf-8", "lines", "fields", "dispatch", "id", "end",
	"request", "response", "redirect", "reconnect", "resume", "retry",
}

func order(c *Case) int { return slices.Index(Chapters, c.Chapter()) }

// Digest returns the SHA-256 of all files of the edition, each after its name and its size.
func Digest() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(spec.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := spec.Files.ReadFile(name)
		if err == nil {
			fmt.Fprintf(h, "%s %d\n", name, len(b))
			h.Write(b)
		}
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}
