package fleet

import (
	"sync"
	"time"
)

// record keeps what a Trace has seen.
type record struct {
	mu    sync.Mutex
	infos map[string][]StreamInfo // by the hook
	bad   []TroubleInfo
}

// recordTrace returns a Trace, and what it will have seen.
func recordTrace() (*Trace, *record) {
	r := &record{infos: make(map[string][]StreamInfo)}
	hook := func(name string) func(StreamInfo) {
		return func(info StreamInfo) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.infos[name] = append(r.infos[name], info)
		}
	}
	return &Trace{
		Acquired: hook("acquired"), Released: hook("released"), Connected: hook("connected"),
		Disconnected: hook("disconnected"), Committed: hook("committed"),
		HandlerError: hook("handler"), StreamError: hook("stream"),
		Trouble: func(info TroubleInfo) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.bad = append(r.bad, info)
		},
	}, r
}

// of returns what one hook has seen.
func (r *record) of(hook string) []StreamInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]StreamInfo(nil), r.infos[hook]...)
}

// trouble returns what Trouble has seen of an operation.
func (r *record) trouble(op string) (found []TroubleInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, info := range r.bad {
		if info.Op == op {
			found = append(found, info)
		}
	}
	return found
}

// longest returns the longest delay.
func longest(infos []TroubleInfo) (d time.Duration) {
	for _, info := range infos {
		d = max(d, info.Delay)
	}
	return d
}
