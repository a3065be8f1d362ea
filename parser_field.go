package sse

import (
	"bytes"
	"math"
	"time"
)

// The middle of the Parser: what each line contributes to the current block.

const (
	maxComment = 64 << 10 // bytes of a comment or an unknown line that a hook gets
	maxText    = 1 << 10  // bytes of UnfinishedError.Text

	maxTypes   = 64 // event types kept as strings
	maxTypeLen = 64 // bytes of the longest of them
)

// field handles every line but the blank and the most frequent ones, and reports
// whether it keeps within the limit.
func (p *Parser) field(start, end, limit int) bool {
	line := p.in.buf[start:end]
	name, value := splitField(line)
	switch string(name) {
	case "":
		if p.Comment != nil {
			p.Comment(clean(value, maxComment, start < p.in.maybeInvalidBefore))
		}
		return true
	case "data":
		return p.in.addData(start, end, end, limit) // one without a colon: the loop takes the others
	case "event", "id", "retry":
	default:
		p.unknown(line, start < p.in.maybeInvalidBefore)
		return true
	}
	if len(line) > limit {
		return false
	}
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	if start < p.in.maybeInvalidBefore {
		if len(value)+growth(value) > limit {
			return false
		}
		value = toValidUTF8(value)
	}
	switch name[0] {
	case 'e':
		p.typ, p.sawTypeOrID = p.intern(value), true
	case 'i':
		if bytes.IndexByte(value, 0) < 0 {
			p.id, p.hasID, p.sawTypeOrID = append(p.id[:0], value...), true, true
		}
	case 'r':
		if d, ok := parseDuration(value, time.Millisecond); ok {
			p.retry, p.hasRetry = d, true
		}
	}
	return true
}

// splitField splits a line at its first colon. If there is none within the length of the
// longest field name, the whole line is the name.
func splitField(line []byte) (name, value []byte) {
	for i, c := range line[:min(len(line), len("event:"))] {
		if c == ':' {
			return line[:i], line[i+1:]
		}
	}
	return line, nil
}

// unknown handles a line that is neither a comment nor a field of the standard.
func (p *Parser) unknown(line []byte, maybeInvalid bool) {
	if p.Unknown != nil {
		p.Unknown(clean(line, maxComment, maybeInvalid))
	}
	if !p.keepText || len(p.text) >= maxText {
		return
	}
	if len(p.text) > 0 {
		p.text = append(p.text, '\n')
	}
	p.text = clip(append(p.text, clean(line, maxText, maybeInvalid)...), maxText)
}

// clean returns the first limit bytes of a line's text, and puts U+FFFD in place of
// malformed bytes in them.
func clean(text []byte, limit int, maybeInvalid bool) []byte {
	text = clip(text, limit)
	if maybeInvalid {
		text = toValidUTF8(text)
	}
	return text
}

// intern returns typ as a string that is allocated once for all events of the type.
func (p *Parser) intern(typ []byte) string {
	if string(typ) == p.lastType {
		return p.lastType
	}
	s, ok := p.types[string(typ)]
	if !ok {
		s = string(typ)
		if len(s) > maxTypeLen {
			return s
		}
		if p.types == nil || len(p.types) == maxTypes {
			p.types = make(map[string]string)
		}
		p.types[s] = s
	}
	p.lastType = s
	return s
}

// parseDuration reads ASCII digits, at least one and nothing else, as a number of
// units, each a millisecond or more. A number that no Duration can represent becomes the
// largest one.
func parseDuration[S []byte | string](s S, unit time.Duration) (d time.Duration, ok bool) {
	limit := math.MaxInt64 / unit
	for i := range len(s) {
		n := time.Duration(s[i] - '0')
		if n > 9 { // s[i] is a byte: what is below '0' wraps
			return 0, false
		}
		d = min(d*10+n, limit+1)
	}
	if d > limit {
		return math.MaxInt64, true
	}
	return d * unit, len(s) > 0
}
