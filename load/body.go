package load

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// slowRead is how often a slow stream reads.
const slowRead = 100 * time.Millisecond

// A body is that of a response. It counts the bytes, can be cut, and reads slowly if the stream is to.
type body struct {
	io.ReadCloser
	stream *stream
	ctx    context.Context         // of the request; nil unless the stream is slow
	cancel context.CancelCauseFunc // of the request; nil if nothing is to be cut
	killed atomic.Pointer[cohort]  // by kill
}

func (b *body) Read(p []byte) (int, error) {
	if b.stream.slow {
		perRead := max(1, int(float64(b.stream.run.cfg.Slow.BytesPerSecond)*slowRead.Seconds()))
		p = p[:min(len(p), perRead)]
	}
	n, err := b.ReadCloser.Read(p)
	b.stream.bytes.Add(int64(n))
	if b.killed.Load() != nil {
		return 0, errKilled
	}
	if n > 0 && b.stream.slow {
		pause := time.NewTimer(time.Duration(float64(n) / float64(b.stream.run.cfg.Slow.BytesPerSecond) * float64(time.Second)))
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-b.ctx.Done():
		}
	}
	return n, err
}

func (b *body) Close() error {
	if b.cancel != nil {
		b.cancel(nil)
	}
	return b.ReadCloser.Close()
}

// kill cuts the connection. Its reader gets errKilled.
func (b *body) kill(c *cohort) {
	if b.killed.CompareAndSwap(nil, c) {
		b.cancel(errKilled)
	}
}
