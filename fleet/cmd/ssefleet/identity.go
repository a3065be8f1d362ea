package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"

	"github.com/lastevent/sse"
)

// identities names events, so that an output can drop what it has been sent before.
//
// An event that brings an ID of its own is named by its stream, that ID and what it says:
// whichever member writes it, and however often. An event that does not bring one has no name that would still
// be known after a takeover: it is counted from the beginning of the lease, so that
// only repeated attempts with it have the same name.
type identities struct {
	mu     sync.Mutex
	leases map[string]*leaseIDs // by stream
}

type leaseIDs struct {
	token   uint64
	last    string // the ID of the last event that was written
	written uint64 // events under this lease
}

func newIdentities() *identities { return &identities{leases: make(map[string]*leaseIDs)} }

// begin notes a lease on a stream, which resumes after an ID.
func (i *identities) begin(stream string, token uint64, resumesAfter string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.leases[stream] = &leaseIDs{token: token, last: resumesAfter}
}

func (i *identities) end(stream string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.leases, stream)
}

// name returns the name of the event that is being written.
func (i *identities) name(stream string, ev sse.Event) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	l := i.leases[stream]
	if l == nil {
		return rand.Text() // not known, so it is dropped by no one
	}
	if ev.LastEventID != "" && ev.LastEventID != l.last {
		return short(stream) + "." + short(ev.LastEventID+"\x00"+ev.Type+"\x00"+ev.Data)
	}
	return fmt.Sprintf("%s.%d.%d", short(stream), l.token, l.written)
}

// written notes that an event has been written, or has been given up.
func (i *identities) written(stream string, ev sse.Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if l := i.leases[stream]; l != nil {
		l.last = ev.LastEventID
		l.written++
	}
}

// short returns a hash, which has no bytes that a header could not carry.
func short(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
