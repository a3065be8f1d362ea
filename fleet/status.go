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

// Status is what the bucket of a fleet says of it.
type Status struct {
	Members []MemberStatus // by name
	Streams []StreamStatus // by name: those that a member has read once
}

// MemberStatus is a member whose record is there. One that was killed has its record until
// others have missed it for a LeaseTTL.
type MemberStatus struct {
	Member  string
	Renewed time.Time // by the clock of NATS
	Leaving bool
}

// StreamStatus is a stream.
type StreamStatus struct {
	Stream      string
	Member      string // that reads it; "": nobody does now
	Ended       bool
	LastEventID string        // the position that was committed last; "" before the first, too
	Committed   time.Time     // when that was, or when the stream was acquired since, by the clock of NATS
	Lag         time.Duration // from the first event that was handled and not committed then, to that commit
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
				status.Members = append(status.Members, MemberStatus{r.Member, e.Created(), r.Leaving})
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
