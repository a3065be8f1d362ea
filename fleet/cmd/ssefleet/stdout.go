package main

import (
	"context"
	"fmt"
	"io"
	"os"
)

// stdoutOutput writes events as lines. A line that was written is in a file, or in the
// buffer of a pipe, whose reader may still lose it: a pipe acknowledges nothing.
type stdoutOutput struct {
	lines  chan writing
	broken func(error) // is called at an error, since all later writes would fail, too
}

type writing struct {
	text   []byte
	result chan error
}

// newStdout returns an output to w. One goroutine writes for as long as the process lives,
// since nothing can end a write whose reader stands still.
func newStdout(w io.Writer, broken func(error)) *stdoutOutput {
	o := &stdoutOutput{lines: make(chan writing), broken: broken}
	if f, ok := w.(*os.File); ok && torn(f) {
		w = &healer{w: w}
	}
	go func() {
		for l := range o.lines {
			_, err := w.Write(l.text)
			l.result <- err
		}
	}()
	return o
}

// write waits for its turn and for the reader until ctx is done. A line that ctx cuts off may
// still be written later, or in part.
func (o *stdoutOutput) write(ctx context.Context, m *message) error {
	l := writing{append(m.event, '\n'), make(chan error, 1)}
	select {
	case o.lines <- l:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-l.result:
		if err != nil {
			err = fmt.Errorf("standard output: %w", err)
			o.broken(err)
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *stdoutOutput) check(context.Context, *config) error { return nil }

func (o *stdoutOutput) close() {}

// torn reports whether f is a file whose last line is not whole: the disk was full, say. The
// event of that line was not committed, and comes again.
func torn(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	again, err := os.Open(fmt.Sprintf("/dev/fd/%d", f.Fd())) // f is open for writing
	if err != nil {
		return false
	}
	defer func() { _ = again.Close() }() // it was only read
	last := make([]byte, 1)
	_, err = again.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}

// healer ends a torn line before it writes the next one.
type healer struct {
	w      io.Writer
	healed bool
}

func (h *healer) Write(b []byte) (int, error) {
	if !h.healed {
		if _, err := h.w.Write([]byte("\n")); err != nil {
			return 0, err
		}
		h.healed = true
	}
	return h.w.Write(b)
}
