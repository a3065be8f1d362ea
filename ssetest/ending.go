package ssetest

import (
	"reflect"
	"runtime"
	"slices"
	"sync"
)

// How the kit ends a stream that waits for its server: it cancels the request below it. A
// sequence of events does not say what requests it makes, and takes nothing that they could
// carry. But package sse makes them on the goroutine that ranges over the sequence, so that
// the Reader stands on the call stack of the transport: as a number of calls of nested.

// running are the Readers whose streams are open. The place of one is its number.
var running struct {
	sync.Mutex
	readers []*Reader
}

// callAs calls f, and has readerOfCall return r in every function that f calls on this
// goroutine.
func callAs(r *Reader, f func()) {
	running.Lock()
	number := slices.Index(running.readers, nil)
	if number < 0 {
		number = len(running.readers)
		running.readers = append(running.readers, nil)
	}
	running.readers[number] = r
	running.Unlock()
	defer func() {
		running.Lock()
		defer running.Unlock()
		running.readers[number] = nil
	}()
	nested(number+1, f)
}

// nested calls f below depth calls of itself.
func nested(depth int, f func()) {
	if depth > 1 {
		nested(depth-1, f)
		return
	}
	f()
}

var nameOfNested = runtime.FuncForPC(reflect.ValueOf(nested).Pointer()).Name()

// readerOfCall returns the Reader for which the caller is called, nil if there is none.
func readerOfCall() *Reader {
	pcs := make([]uintptr, 128)
	n := runtime.Callers(0, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(0, pcs)
	}
	depth := 0
	for frames := runtime.CallersFrames(pcs[:n]); ; {
		frame, more := frames.Next()
		if frame.Function == nameOfNested {
			depth++
		}
		if !more {
			break
		}
	}
	if depth == 0 {
		return nil
	}
	running.Lock()
	defer running.Unlock()
	return running.readers[depth-1]
}

// ends reports whether the kit ends the stream of x. The caller holds s.mu.
func (s *Server) ends(x *exchange) bool {
	if x.reader == nil {
		return s.ended || s.endingStrays > 0
	}
	return s.ended || x.reader.ending.Load()
}

// endStreams ends all streams of the server's clients, now and from now on.
func (s *Server) endStreams() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, x := range s.exchanges {
		x.cancel()
	}
}

// endStream ends the stream of a Reader. Where no request can be found that the stream has
// made, since another goroutine makes them, it ends the streams of the test's servers that
// belong to no Reader, until the function that it returns is called.
func endStream(r *Reader) (stop func()) {
	r.ending.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.exchanges {
		x.cancel()
	}
	if len(r.exchanges) > 0 {
		return func() {}
	}
	servers := serversOf(r.t)
	for _, s := range servers {
		s.addEndingStrays(1)
	}
	return func() {
		for _, s := range servers {
			s.addEndingStrays(-1)
		}
	}
}

func (s *Server) addEndingStrays(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endingStrays += n
	for _, x := range s.exchanges {
		if n > 0 && x.reader == nil {
			x.cancel()
		}
	}
}
