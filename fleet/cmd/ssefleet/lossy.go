package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	keptLines = 1000        // that wait for the reader of standard error
	flushTime = time.Second // for them at the end
)

// lossy is standard error whose reader may stand still, which must not stop the member: lines that
// cannot wait any longer are dropped, and counted.
type lossy struct {
	lines   chan []byte
	written chan struct{} // closed when all before flush has been written
	dropped atomic.Int64
}

func newLossy(w io.Writer) *lossy {
	l := &lossy{lines: make(chan []byte, keptLines), written: make(chan struct{})}
	go func() {
		for line := range l.lines {
			if line == nil {
				close(l.written)
				return
			}
			_, _ = w.Write(line) // nobody could be told
			if n := l.dropped.Swap(0); n > 0 {
				_, _ = fmt.Fprintf(w, "ssefleet: %d lines were not read in time\n", n)
			}
		}
	}()
	return l
}

// Write takes whole lines.
func (l *lossy) Write(line []byte) (int, error) {
	select {
	case l.lines <- append([]byte(nil), line...):
	default:
		l.dropped.Add(1)
	}
	return len(line), nil
}

// flush waits a moment for what has not been read. What is written after it is lost.
func (l *lossy) flush() {
	over := time.After(flushTime)
	select {
	case l.lines <- nil:
	case <-over:
		return
	}
	select {
	case <-l.written:
	case <-over:
	}
}
