package sse

import (
	"net/http"
	"time"
)

// What the tests of package sse_test need from inside.

const (
	MinBuffer  = minBuffer
	MaxBuffer  = maxBuffer
	MaxComment = maxComment
	MaxTypes   = maxTypes
	MaxTypeLen = maxTypeLen
)

func (p *Parser) SetLastEventID(id string) { p.setLastEventID(id) }

// BufferSize returns the bytes of the largest buffer that the Parser keeps alive.
func (p *Parser) BufferSize() int {
	if p.in.large != nil {
		return max(len(p.in.buf), len(*p.in.large))
	}
	return len(p.in.buf)
}

// TypesKept returns how many event types the Parser keeps as strings.
func (p *Parser) TypesKept() int { return len(p.types) }

// NewExponential is the default policy of delays.
func NewExponential(initial time.Duration) Backoff { return newExponential(initial) }

// RetryAfter reads a Retry-After header.
func RetryAfter(h http.Header) (time.Duration, bool) { return retryAfter(h) }

// IsValidUTF8 is the Parser's own check.
func IsValidUTF8(b []byte) bool { return isValidUTF8(b) }

// A ReadSize decides the size of reads.
type ReadSize struct{ readSize }

func (s *ReadSize) Limit() int                         { return s.limit() }
func (s *ReadSize) Note(asked, n int, d time.Duration) { s.note(asked, n, d) }
