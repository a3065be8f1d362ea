package connect

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const (
	minReplayWait = 10 * time.Millisecond // before a rejected message is delivered again,
	maxReplayWait = time.Second           // growing to this
)

// An item is an event that the pipeline has not accepted yet.
type item struct {
	stream   *stream
	message  *service.Message
	done     func() // of the checkpoint
	rejected int    // how often
}

// deliver returns a copy of the item's message, which the pipeline may change.
//
// Rejected messages are delivered again here, and not by service.AutoRetryNacks of benthos
// 4.60: that waits, with a lock that all acknowledgements need, before it delivers a
// message for the third time, and a graceful stop during that wait never ends.
func (in *input) deliver(it item) (*service.Message, service.AckFunc) {
	var once sync.Once
	return it.message.Copy(), func(_ context.Context, err error) error {
		once.Do(func() { in.acknowledge(it, err) })
		return nil
	}
}

// acknowledge takes the pipeline's answer to a message.
func (in *input) acknowledge(it item, err error) {
	switch {
	case err == nil:
		it.done()
	case in.replay || interrupted(err):
		go in.again(it)
	default:
		in.meters.dropped.Incr(1, it.stream.label)
		it.done()
	}
}

// again delivers a message again, after a wait. If the pipeline stops before, the event is
// not handled, and comes again after the next start.
func (in *input) again(it item) {
	wait := min(minReplayWait<<min(it.rejected, 10), maxReplayWait)
	it.rejected++
	select {
	case <-time.After(wait):
	case <-in.stop:
		return
	}
	select {
	case in.items <- it:
	case <-in.stop:
	}
}

// interrupted reports whether err is how a pipeline that stops the hard way rejects what is
// under way: such a message must not be dropped. The framework does not export one of these
// errors, so it is recognized by its text: see TestInterrupted.
func interrupted(err error) bool {
	return errors.Is(err, context.Canceled) || err.Error() == "type was closed"
}
