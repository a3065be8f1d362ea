package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	watcher, err := kv.WatchFiltered(ctx, []string{memberPrefix + "*", leasePrefix + "*", positionPrefix + "*"}, jetstream.IgnoreDeletes())
	if err != nil {
		return Status{}, err
	}
	defer drain(watcher)
	var (
		status    Status
		members   = make(map[string]string) // by session
		leases    = make(map[string]leaseRecord)
		positions = make(map[string]StreamStatus)
	)
	for {
		var e jetstream.KeyValueEntry
		var ok bool
		select {
		case e, ok = <-watcher.Updates():
		case <-ctx.Done():
			return Status{}, context.Cause(ctx)
		}
		if !ok {
			return Status{}, errors.New("fleet: NATS went away")
		}
		if e == nil {
			break
		}
		prefix, name, _ := strings.Cut(e.Key(), ".")
		switch prefix + "." {
		case memberPrefix:
			var r memberRecord
			if err = json.Unmarshal(e.Value(), &r); err == nil && r.Member != "" {
				members[name] = r.Member
				status.Members = append(status.Members, MemberStatus{Member: r.Member, Session: name, Renewed: e.Created(), Leaving: r.Leaving})
			}
		case leasePrefix:
			var r leaseRecord
			err = json.Unmarshal(e.Value(), &r)
			leases[name] = r
		case positionPrefix:
			var r positionRecord
			err = json.Unmarshal(e.Value(), &r)
			positions[name] = StreamStatus{Stream: r.Stream, LastEventID: r.LastEventID, Committed: e.Created(), Lag: r.Lag}
		}
		if err != nil {
			return Status{}, fmt.Errorf("fleet: %s: %w", e.Key(), err)
		}
	}
	for name, s := range positions {
		s.Member, s.Ended = members[leases[name].Session], leases[name].Ended
		status.Streams = append(status.Streams, s)
	}
	slices.SortFunc(status.Members, func(a, b MemberStatus) int { return cmp.Compare(a.Member, b.Member) })
	slices.SortFunc(status.Streams, func(a, b StreamStatus) int { return cmp.Compare(a.Stream, b.Stream) })
	return status, nil
}
