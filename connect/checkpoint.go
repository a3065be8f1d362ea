package connect

import (
	"context"
	"sync"
	"time"

	"github.com/lastevent/sse"
)

const (
	saveTimeout = 10 * time.Second       // for one write to the cache
	minSaveWait = 100 * time.Millisecond // after a write that failed,
	maxSaveWait = 10 * time.Second       // growing to this
	flushTime   = 5 * time.Second        // for the last write, when the input closes
)

// A checkpoint counts the events of one stream that are under way, and moves the stream's
// position: to the last event such that this one and all before it are handled. An event is
// under way until its position is stored, and at most limit of them are.
type checkpoint struct {
	save   func(context.Context, string) error // nil: positions are not stored
	failed func(error)                         // is called when save has failed

	slots chan struct{} // one in it for each event under way
	dirty chan struct{} // one in it if there is something to save

	mu      sync.Mutex
	pending []*entry // from the first that is not handled
	id      string   // the position
	stored  string   // what the cache has,
	unsure  bool     // unless a write has begun that has not succeeded
	handled int      // events in slots that the position includes, and the cache does not
}

// An entry is an event, or a series of skipped ones.
type entry struct {
	id      string
	skipped bool
	done    bool
}

func newCheckpoint(limit int, position string, save func(context.Context, string) error, failed func(error)) *checkpoint {
	return &checkpoint{
		save: save, failed: failed,
		slots: make(chan struct{}, limit), dirty: make(chan struct{}, 1),
		id: position, stored: position,
	}
}

// add waits until there is room for an event, and returns what to call when it is handled.
// An ID that no header can carry leaves the position where it is.
func (c *checkpoint) add(ctx context.Context, id string) (done func(), err error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &entry{id: c.carried(id)}
	c.pending = append(c.pending, e)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		e.done = true
		c.advance()
	}, nil
}

// skip notes an event that is not delivered. It needs no room: a series of them is one entry.
func (c *checkpoint) skip(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.pending); n > 0 && c.pending[n-1].skipped {
		c.pending[n-1].id = c.carried(id)
		return
	}
	c.pending = append(c.pending, &entry{id: c.carried(id), skipped: true, done: true})
	c.advance()
}

// drain waits until no event is under way, or until ctx is done. No event can be added
// afterwards.
func (c *checkpoint) drain(ctx context.Context) {
	for range cap(c.slots) {
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// carried returns id, or the last one before it that a header can carry.
func (c *checkpoint) carried(id string) string {
	if sse.Resumable(id) {
		return id
	}
	if n := len(c.pending); n > 0 {
		return c.pending[n-1].id
	}
	return c.id
}

// advance moves the position over what is handled. c.mu is held.
func (c *checkpoint) advance() {
	for len(c.pending) > 0 && c.pending[0].done {
		e := c.pending[0]
		c.pending[0] = nil
		c.pending = c.pending[1:]
		c.id = e.id
		if !e.skipped {
			c.handled++
		}
	}
	if c.save == nil {
		c.stored = c.id
	}
	if c.saved() {
		return
	}
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

// saved reports whether the cache has the position, and then makes room for what it
// includes. c.mu is held.
func (c *checkpoint) saved() bool {
	if c.unsure || c.id != c.stored {
		return false
	}
	c.release(c.handled)
	return true
}

// release makes room for n events. c.mu is held.
func (c *checkpoint) release(n int) {
	c.handled -= n
	for range n {
		<-c.slots
	}
}

// run saves the position whenever it has moved, one write at a time, until ctx is done.
func (c *checkpoint) run(ctx context.Context) {
	for {
		select {
		case <-c.dirty:
			c.flush(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// flush saves the position, if it has moved, and tries it until ctx is done. It returns
// whether the cache has it.
func (c *checkpoint) flush(ctx context.Context) bool {
	for wait := minSaveWait; ; wait = min(2*wait, maxSaveWait) {
		c.mu.Lock()
		if c.saved() {
			c.mu.Unlock()
			return true
		}
		id, n := c.id, c.handled
		c.unsure = true
		c.mu.Unlock()
		err := c.try(ctx, id)
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.stored, c.unsure = id, false
			c.release(n)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		c.failed(err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
}

func (c *checkpoint) try(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return c.save(ctx, id)
}
