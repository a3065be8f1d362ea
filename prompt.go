package sse

import "time"

// This file decides how large the reads of a response's body are. Over HTTP/1.1, net/http's
// chunked reader does not return before it has filled the buffer that it was given, or a
// chunk has ended and nothing more has arrived. A server that does not flush sends chunks in
// pieces, and the events in one piece would be held back until the next piece arrives.
//
// The sign of such a chunk is a read that begins when bytes have arrived, and waits
// nevertheless. To see it, the first byte after a pause is read by itself. If the read after
// it waits, later reads ask only for as many bytes as arrive in the time that an event may be
// late. If those are few, the connection is read byte by byte, at about 70 ns each, which
// never waits for more than an event needs. Larger reads are tried again after some bytes,
// and less and less often if they wait again.

// A body whose Read returns what has arrived says so by a method PromptReads. That of package
// lean has it: such a body is read as it is.
type promptReader interface{ PromptReads() }

const (
	firstRead = 4 << 10  // bytes of the first reads of a connection; they double while they come back full,
	tryRead   = 256      // and so they do from here after a sign
	maxRead   = 32 << 10 // bytes of one read: they are parsed while they are in the cache

	lateRead = 2 * time.Millisecond // a read that takes longer has waited,
	slowRead = 512                  // and if it brings less than this in that time, the next ones are for one byte

	minFine    = 4 << 10 // bytes that are read one by one after the first sign,
	fineGrowth = 16      // times as many after the next one,
	maxFine    = 1 << 20 // and so on; after as many bytes without a sign it is the first one again
)

// A readSize decides the size of each read of one connection. Its zero value is that of
// a connection that has just been opened.
type readSize struct {
	size     int  // of the next read, unless it is for one byte; 0: of the first one
	busy     bool // the last read came back full: more bytes may have arrived already
	fine     int  // bytes still to be read one by one
	patience int  // how many at the next sign; 0: minFine
	good     int  // bytes since then without a sign
}

// single reports whether the next read is for one byte. Such a read may wait: no event is
// held back by it.
func (s *readSize) single() bool { return s.fine > 0 || !s.busy }

// limit returns how many bytes the next read may ask for.
func (s *readSize) limit() int {
	if s.single() {
		return 1
	}
	return s.size
}

// note learns from a read that asked for some bytes and returned n, and from the time that
// it took.
func (s *readSize) note(asked, n int, took time.Duration) {
	if s.size == 0 {
		s.size, s.patience = firstRead, minFine
	}
	switch {
	case s.fine > 0:
		s.fine -= n
		s.busy = false
	case !s.busy:
		s.busy = n > 0
	case took > lateRead: // the sign
		s.good = 0
		if s.size = int(float64(n) * float64(lateRead) / float64(took)); s.size < slowRead {
			s.size = tryRead
			s.fine, s.patience = s.patience, min(fineGrowth*s.patience, maxFine)
		}
	default:
		s.busy = n == asked
		if asked == s.size && s.busy && took < lateRead/4 {
			s.size = min(2*s.size, maxRead)
		}
		if s.good += n; s.good > maxFine {
			s.patience = minFine
		}
	}
}
