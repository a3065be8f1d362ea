package bench

import (
	"bufio"
	"bytes"
	"io"
	"iter"

	"github.com/lastevent/sse"
)

// A Subject is a way to read a stream.
type Subject struct {
	Name string

	// Drain is what is timed: it reads r to its end in the subject's own way of looping,
	// and returns the bytes of data that it saw.
	Drain func(r io.Reader) (bytes int, err error)

	// Events gives what the subject makes of r, to compare it. It is nil for limits, which
	// make nothing of it.
	Events func(r io.Reader) iter.Seq2[Event, error]
}

// maxEvent is a size of events that all of the corpora keep within, for those that
// have to be told.
const maxEvent = 64 << 20

// Limits are what no parser can be faster than, or hardly.
func Limits() []Subject {
	return []Subject{
		{Name: "memmove", Drain: drainCopy},
		{Name: "IndexByte", Drain: drainIndexByte},
		{Name: "ReadSlice", Drain: drainReadSlice},
		{Name: readSliceString, Drain: drainReadSliceString},
	}
}

// readSliceString is the limit for those that return events to keep.
const readSliceString = "ReadSlice + string"

// drainCopy moves the bytes into a buffer of 32 KiB, and that is all.
func drainCopy(r io.Reader) (n int, err error) {
	buf := make([]byte, 32<<10)
	for {
		m, err := r.Read(buf)
		n += m
		if err != nil {
			return n, eof(err)
		}
	}
}

// drainIndexByte searches the lines of a buffer of 32 KiB. Lines that cross its end
// count as two.
func drainIndexByte(r io.Reader) (n int, err error) {
	buf := make([]byte, 32<<10)
	for {
		m, err := r.Read(buf)
		for rest := buf[:m]; len(rest) > 0; {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				n += len(rest)
				break
			}
			n += i
			rest = rest[i+1:]
		}
		if err != nil {
			return n, eof(err)
		}
	}
}

// drainReadSlice is the loop over lines that a program writes with the standard library.
func drainReadSlice(r io.Reader) (n int, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := br.ReadSlice('\n')
		n += len(line)
		if err != nil && err != bufio.ErrBufferFull {
			return n, eof(err)
		}
	}
}

// line is where drainReadSliceString puts its lines, so that they are made.
var line string

// drainReadSliceString is the same loop for a program that keeps what it reads: it makes a
// string of each line.
func drainReadSliceString(r io.Reader) (n int, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		b, err := br.ReadSlice('\n')
		line = string(b)
		n += len(line)
		if err != nil && err != bufio.ErrBufferFull {
			return n, eof(err)
		}
	}
}

// Ours are the two ways in which package sse reads what is there already.
func Ours() []Subject {
	return []Subject{
		{Name: "sse.Parser", Drain: drainParser, Events: parserEvents},
		{Name: "sse.Read", Drain: drainRead, Events: readEvents},
	}
}

func newParser(r io.Reader) *sse.Parser {
	p := sse.NewParser(r)
	p.MaxEventSize = maxEvent
	return p
}

func drainParser(r io.Reader) (n int, err error) {
	p := newParser(r)
	for {
		if err := p.Next(); err != nil {
			return n, eof(err)
		}
		n += len(p.Data())
	}
}

func parserEvents(r io.Reader) iter.Seq2[Event, error] {
	p := newParser(r)
	return sequence(func() (Event, error) {
		if err := p.Next(); err != nil {
			return Event{}, err
		}
		return Event{p.Type(), string(p.Data()), p.LastEventID()}, nil
	})
}

func drainRead(r io.Reader) (n int, err error) {
	for ev, err := range sse.Read(r) {
		if err != nil {
			return n, err
		}
		n += len(ev.Data)
	}
	return n, nil
}

func readEvents(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for ev, err := range sse.Read(r) {
			if !yield(Event(ev), err) {
				return
			}
		}
	}
}

// sequence gives what next returns until it returns io.EOF, or another error, which is last.
func sequence(next func() (Event, error)) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			ev, err := next()
			if err == io.EOF || !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// eof is err, but nil at the end of a stream.
func eof(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
