package sse

import "time"

// What the tests of package sse_test need from inside.

const (
	MinBuffer  = minBuffer
	MaxBuffer  = maxBuffer
	MaxComment = maxComment
	MaxTypes   = maxTypes
	MaxTypeLen = maxTypeLen
)

func (p *Parser) SetLastEventID(id string) { p.setLastEventID(id) }

// BufferSize returns the size of the Parser's buffer in bytes.
func (p *Parser) BufferSize() int { return len(p.buf) }

// TypesKept returns how many event types the Parser keeps as strings.
func (p *Parser) TypesKept() int { return len(p.types) }

// NewExponential is the default policy of delays.
func NewExponential(initial time.Duration) Backoff { return newExponential(initial) }
