package fleet

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// What lies in the bucket, each value as JSON:
//
//	member.<session>    that a member lives; it writes it again and again
//	lease.<stream>      which session a stream belongs to
//	position.<stream>   where the stream resumes
//	list.<hash>.<n>     a part of a list of streams, compressed
//
// A stream is named by a hash: its name may have any length and any bytes. Members
// watch leases and each other. They do not watch positions, of which there are many.
const (
	memberPrefix   = "member."
	leasePrefix    = "lease."
	positionPrefix = "position."
	listPrefix     = "list."

	probe = "probe" // in the place of a stream's hash: what a member writes to see whether it may
)

type memberRecord struct {
	Member  string        `json:"member"`
	Beat    uint64        `json:"beat"`              // counts the writes of the session
	TTL     time.Duration `json:"ttl"`               // after which others may delete the record
	Leaving bool          `json:"leaving,omitempty"` // takes no more streams
	List    string        `json:"list,omitempty"`    // the hash of its list
	Listed  int           `json:"listed,omitempty"`  // streams in it
	Parts   int           `json:"parts,omitempty"`   // of the list in the bucket
	Not     []string      `json:"not,omitempty"`     // keys of leases that it cannot take
}

type leaseRecord struct {
	Stream  string        `json:"stream"`
	Session string        `json:"session,omitempty"`
	Member  string        `json:"member,omitempty"`
	Claim   uint64        `json:"claim,omitempty"`   // counts the session's, so that no two records are the same
	Ended   bool          `json:"ended,omitempty"`   // for good: no session has it, and none takes it
	Stopped string        `json:"stopped,omitempty"` // the error that it is stopped with; then Ended, too
	For     string        `json:"for,omitempty"`     // the member that the stream waits for,
	Wait    time.Duration `json:"wait,omitempty"`    // for so long
}

type positionRecord struct {
	Stream      string        `json:"stream"`
	Bucket      uint64        `json:"bucket"`         // the epoch of the bucket that it was written in
	Fence       uint64        `json:"fence"`          // the token of the lease that it was written under
	Lift        uint64        `json:"lift,omitempty"` // what is added to tokens: it was copied from a bucket that had larger ones
	Committed   bool          `json:"committed"`      // otherwise the stream starts where its request says
	LastEventID string        `json:"id"`
	Lag         time.Duration `json:"lag,omitempty"` // from the first event that it commits to the commit
	health
}

// health is what a member knows of a stream that it reads.
type health struct {
	Event time.Time `json:"event,omitzero"` // when the last one was handled
	Down  bool      `json:"down,omitempty"` // without a connection
	Error string    `json:"error,omitempty"`
	Since time.Time `json:"since,omitzero"` // when that was
}

const maxQuoted = 300 // bytes of an error in the bucket

func leaseKey(stream string) string { return leasePrefix + hash(stream) }

func positionKey(stream string) string { return positionPrefix + hash(stream) }

func hash(stream string) string {
	sum := sha256.Sum256([]byte(stream))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func encode(record any) []byte {
	b, err := json.Marshal(record)
	if err != nil {
		panic(err) // records are strings, numbers and times
	}
	return b
}

// quote returns the beginning of an error's text.
func quote(err error) string {
	text := err.Error()
	if len(text) > maxQuoted {
		text = text[:maxQuoted] + "…"
	}
	return text
}
