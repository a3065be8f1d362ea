package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Status is what the bucket of a fleet says about it. Its JSON form is stable.
type Status struct {
	Members []MemberStatus `json:"members"` // by name
	Streams []StreamStatus `json:"streams"` // by name: those in a member's list, and those that were read once
	Lists   int            `json:"lists"`   // different lists among the members; 1 if all have the same
}

// Unread returns the streams that should be read, and are not: no member has a lease.
func (s Status) Unread() (streams []string) {
	for _, stream := range s.Streams {
		if stream.Unread {
			streams = append(streams, stream.Stream)
		}
	}
	return streams
}

// MemberStatus is a member that has a record. A member that was killed has its record until
// others have missed it for a LeaseTTL.
type MemberStatus struct {
	Member  string    `json:"member"`
	Session string    `json:"session"` // which changes when the member loses its leases
	Renewed time.Time `json:"renewed"` // by the clock of NATS
	Leaving bool      `json:"leaving"`
	Streams int       `json:"streams"` // that it reads
	Listed  int       `json:"listed"`  // in its list
	List    string    `json:"list"`    // a hash of its list
}

// StreamStatus is a stream.
type StreamStatus struct {
	Stream      string        `json:"stream"`
	Member      string        `json:"member"`        // that reads it; "": none does now
	Connected   bool          `json:"connected"`     // false only if it was without a connection for longer than a moment
	Unread      bool          `json:"unread"`        // it is in a list, has not ended, and no member reads it
	Ended       bool          `json:"ended"`         // by 204, for all members, or stopped
	Stopped     string        `json:"stopped"`       // the error of the event that it was stopped at, or ""
	LastEventID string        `json:"last_event_id"` // the position that was committed last; "" before the first, too
	Committed   time.Time     `json:"committed"`     // when that was, or when the stream was acquired since, by the clock of NATS
	Lag         time.Duration `json:"lag"`           // from the first event that was handled and not committed then, to that commit
	LastEvent   time.Time     `json:"last_event"`    // when the last event before that commit was handled, by the member's clock
	LastError   string        `json:"last_error"`    // why it is not connected, or was not the last time
	ErrorTime   time.Time     `json:"error_time"`    // when that was, by the member's clock
}

// ReadStatus reads the whole bucket, from any of its replicas, which may be a moment behind.
func ReadStatus(ctx context.Context, kv jetstream.KeyValue) (Status, error) {
	b, err := readBucket(ctx, kv)
	if err != nil {
		return Status{}, err
	}
	return b.status(), nil
}

// bucket is what is in a bucket, by the hashes of streams.
type bucket struct {
	members   map[string]memberRecord // by session
	renewed   map[string]time.Time
	leases    map[string]leaseRecord
	positions map[string]positionRecord
	committed map[string]time.Time
	names     map[string]string              // of streams
	lists     map[string]map[string]struct{} // by the hash of the list
	junk      map[string]error
}

func readBucket(ctx context.Context, kv jetstream.KeyValue) (*bucket, error) {
	watcher, err := kv.WatchFiltered(ctx, []string{memberPrefix + "*", leasePrefix + "*", positionPrefix + "*", listPrefix + "*.*"})
	if err != nil {
		return nil, err
	}
	defer drain(watcher)
	b := &bucket{
		members:   make(map[string]memberRecord),
		renewed:   make(map[string]time.Time),
		leases:    make(map[string]leaseRecord),
		positions: make(map[string]positionRecord),
		committed: make(map[string]time.Time),
		names:     make(map[string]string),
		lists:     make(map[string]map[string]struct{}),
		junk:      make(map[string]error),
	}
	// A record that is written again while the watch begins comes after the mark of its
	// beginning's end. So what has been written by then is awaited, too, and again what was
	// written in that time.
	var read, last uint64 // the revisions of what came last, and of what was written last
	var enough <-chan time.Time
	begun := false
	for rounds := 3; ; {
		select {
		case e, ok := <-watcher.Updates():
			switch {
			case !ok && ctx.Err() != nil:
				return nil, context.Cause(ctx)
			case !ok:
				return nil, errWatchEnded
			case e == nil:
				begun = true
			default:
				read = e.Revision()
				b.add(e)
			}
		case <-enough:
			return b, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if !begun || read < last {
			continue
		}
		if rounds--; rounds < 0 {
			return b, nil
		}
		if last, err = lastRevision(ctx, kv); err != nil || last <= read {
			return b, err
		}
		enough = time.After(catchUp)
	}
}

// catchUp is how long a record is awaited that was written. None comes if it was deleted.
const catchUp = 200 * time.Millisecond

// lastRevision returns the revision of what was written last in the bucket.
func lastRevision(ctx context.Context, kv jetstream.KeyValue) (uint64, error) {
	status, err := store{KeyValue: kv}.status(ctx)
	if err != nil {
		return 0, err
	}
	if s, ok := status.(*jetstream.KeyValueBucketStatus); ok {
		return s.StreamInfo().State.LastSeq, nil
	}
	return 0, nil
}

func (b *bucket) add(e jetstream.KeyValueEntry) {
	prefix, name, _ := strings.Cut(e.Key(), ".")
	if name == probe {
		return
	}
	if e.Operation() != jetstream.KeyValuePut {
		switch prefix + "." {
		case memberPrefix:
			delete(b.members, name)
		case leasePrefix:
			delete(b.leases, name)
		case positionPrefix:
			delete(b.positions, name)
			delete(b.committed, name)
		}
		return // a list is deleted when nobody has it
	}
	var err error
	switch prefix + "." {
	case memberPrefix:
		var r memberRecord
		if err = json.Unmarshal(e.Value(), &r); err == nil && r.Member != "" {
			b.members[name], b.renewed[name] = r, e.Created()
		}
		return // what is none is deleted by the members
	case leasePrefix:
		var r leaseRecord
		if err = json.Unmarshal(e.Value(), &r); err == nil {
			b.leases[name] = r
			b.name(name, r.Stream)
		}
	case positionPrefix:
		var r positionRecord
		if err = json.Unmarshal(e.Value(), &r); err == nil {
			b.positions[name] = r
			b.name(name, r.Stream)
		}
		b.committed[name] = e.Created()
	case listPrefix:
		names, _ := decodePart(e.Value()) // what is none is no list: its streams are named elsewhere
		hash, _, _ := strings.Cut(name, ".")
		if b.lists[hash] == nil {
			b.lists[hash] = make(map[string]struct{})
		}
		for _, stream := range names {
			key := strings.TrimPrefix(listedKey(stream), leasePrefix)
			b.lists[hash][key] = struct{}{}
			b.name(key, stream)
		}
		return
	}
	if err != nil {
		b.junk[name] = fmt.Errorf("fleet: %s is no record of a fleet: %w", e.Key(), err)
	}
}

// name notes the name of a stream.
func (b *bucket) name(hash, stream string) {
	if stream != "" && !strings.HasPrefix(stream, keyMark) {
		b.names[hash] = stream
	}
}

// listed returns the hashes of the streams in the lists of members that are not leaving, and
// how many different lists there are.
func (b *bucket) listed() (streams map[string]bool, lists int) {
	streams = make(map[string]bool)
	seen := make(map[string]bool)
	for _, r := range b.members {
		if !r.Leaving && !seen[r.List] {
			seen[r.List] = true
			for key := range b.lists[r.List] {
				streams[key] = true
			}
		}
	}
	return streams, len(seen)
}

func (b *bucket) status() Status {
	listed, lists := b.listed()
	s := Status{Lists: lists}
	keys := maps.Clone(listed)
	for _, known := range []iter.Seq[string]{maps.Keys(b.leases), maps.Keys(b.positions), maps.Keys(b.junk)} {
		for key := range known {
			keys[key] = true
		}
	}
	reads := make(map[string]int)
	for key := range keys {
		l, p := b.leases[key], b.positions[key]
		m, held := b.members[l.Session]
		if held {
			reads[l.Session]++
		}
		stream := StreamStatus{
			Stream: b.names[key], Member: m.Member, Connected: held && !p.Down,
			Ended: l.Ended, Stopped: l.Stopped, Unread: listed[key] && !held && !l.Ended,
			LastEventID: p.LastEventID, Committed: b.committed[key], Lag: p.Lag,
			LastEvent: p.Event, LastError: p.Error, ErrorTime: p.Since,
		}
		if stream.Stream == "" {
			stream.Stream = "#" + key // its name is in no record
		}
		if err := b.junk[key]; err != nil {
			stream.LastError = quote(err)
		}
		s.Streams = append(s.Streams, stream)
	}
	for id, r := range b.members {
		s.Members = append(s.Members, MemberStatus{
			Member: r.Member, Session: id, Renewed: b.renewed[id], Leaving: r.Leaving,
			Streams: reads[id], Listed: r.Listed, List: r.List,
		})
	}
	slices.SortFunc(s.Members, func(a, b MemberStatus) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Session, b.Session))
	})
	slices.SortFunc(s.Streams, func(a, b StreamStatus) int { return cmp.Compare(a.Stream, b.Stream) })
	return s
}
