package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
	"weak"
)

// The lower half of the Parser: from reads to lines. Each byte is searched once for LF,
// once for CR and once for malformed UTF-8, and moved a constant number of times,
// however the stream is cut into reads and lines.

const (
	minBuffer = 512               // bytes: an idle stream costs little
	maxBuffer = 64 << 10          // bytes, but for one large event
	minLarge  = maxBuffer / 2 * 5 // bytes: an event of a power of two and a few more takes a third less time
	minKeep   = len("event:+")    // bytes of a line that is skipped: they show what it is

	maxEmptyReads = 100 // in a row, before io.ErrNoProgress

	byteOrder = "\xef\xbb\xbf" // U+FEFF, the byte order mark
)

var errBadRead = errors.New("sse: reader returned an impossible count from Read")

// blank consumes the next line if it is blank and its end is in the buffer; the LF of a
// CRLF counts as one more. It needs no search, which takes a quarter off events of 200
// bytes that end in CRLF.
func (p *Parser) blank() bool {
	if p.pos < p.end && (p.buf[p.pos] == '\n' || p.buf[p.pos] == '\r') {
		p.pos++
		return true
	}
	return false
}

// line consumes the next line, buf[start:end], which is valid until the next call; p.lf
// is known. A line that is not needed whole may be cut: see keep.
func (p *Parser) line(limit int) (start, end int, err error) {
	start = p.pos
	if p.cr < start { // once per read, in a stream without CR
		p.cr = start + index(p.buf[start:p.end], '\r')
	}
	end = min(p.lf, p.cr)
	if end == p.end {
		if start, end, err = p.readLine(limit); err != nil {
			return 0, 0, err
		}
	}
	p.pos = end + 1
	if end == p.cr {
		if p.pos == p.end {
			p.skipLF = true // CR ends the line now; an LF may follow in the next read
		} else if p.buf[p.pos] == '\n' {
			p.pos++
		}
	}
	return start, end, nil
}

// index is bytes.IndexByte, but len(b) where there is no c.
func index(b []byte, c byte) int {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return i
	}
	return len(b)
}

// readLine finds the next line where its end has not been read yet.
func (p *Parser) readLine(limit int) (start, end int, err error) {
	for {
		line := p.buf[p.pos:p.end]
		if n, whole := p.keep(line); whole {
			if len(line) > limit {
				return 0, 0, ErrEventTooLarge
			}
		} else if len(line) > n {
			p.end = p.pos + n // what is read next takes the place of what was after it
			p.checked = min(p.checked, p.end)
		}
		from, err := p.fill()
		if err != nil {
			return 0, 0, err
		}
		unread := p.buf[from:p.end]
		p.lf, p.cr = from+index(unread, '\n'), from+index(unread, '\r')
		if end := min(p.lf, p.cr); end < p.end {
			return p.pos, end, nil
		}
	}
}

// keep reports how many bytes of a line are needed, which its beginning shows, or that it
// must be kept whole. One byte more than a hook gets shows that there was more.
func (p *Parser) keep(line []byte) (n int, whole bool) {
	name, _ := splitField(line)
	switch string(name) {
	case "data", "event", "id", "retry":
		if len(name) < len(line) {
			return 0, true
		}
		return minKeep, false
	case "":
		if p.Comment != nil {
			return len(":") + maxComment + 1, false
		}
	default:
		if p.Unknown != nil {
			return maxComment + 1, false
		}
		if p.keepText {
			return maxText + 1, false
		}
	}
	return minKeep, false
}

// fill reads more bytes behind buf[pos:end] and returns where those start that no line
// has been searched for in.
func (p *Parser) fill() (from int, err error) {
	if p.err != nil {
		return 0, p.err
	}
	p.makeRoom()
	for range maxEmptyReads {
		room := p.buf[p.end:min(len(p.buf), p.end+maxRead)]
		n, err := p.r.Read(room)
		if n < 0 || n > len(room) {
			return 0, errBadRead
		}
		p.err = err
		if n == 0 && err == nil {
			continue
		}
		if n == 0 {
			return 0, err
		}
		from = p.end
		p.end += n
		p.checkUTF8()
		if p.skipLF {
			p.skipLF = false
			if p.buf[p.pos] == '\n' {
				p.pos++
			}
		}
		if p.bom {
			p.skipBOM()
		}
		return max(from, p.pos), nil
	}
	return 0, io.ErrNoProgress
}

// skipBOM drops the byte order mark as soon as all of it has been read.
func (p *Parser) skipBOM() {
	switch begin := string(p.buf[p.pos:min(p.end, p.pos+len(byteOrder))]); {
	case begin == byteOrder:
		p.pos += len(byteOrder)
		p.bom = false
	case !strings.HasPrefix(byteOrder, begin):
		p.bom = false
	}
}

// makeRoom makes room behind p.end. The buffer doubles when a read has filled it, up to
// maxBuffer; past that, from minLarge, for one large event, and is let go after it. What is kept, the
// block's data and the unfinished line, moves to the front, at most three bytes for
// each byte of room won.
func (p *Parser) makeRoom() {
	if !p.hasData {
		p.from, p.to = 0, 0
	}
	live, size := p.to-p.from+p.end-p.pos, len(p.buf)
	full := p.end == size
	switch {
	case full && size < maxBuffer:
		size = max(minBuffer, 2*size)
	case full && live > size-size/4:
		size = max(2*size, minLarge)
	case size > maxBuffer && live <= maxBuffer/2:
		size = maxBuffer
	case !full && live > 0:
		return
	}
	buf := p.buf
	if size != len(buf) {
		buf = p.newBuffer(size)
	}
	n := copy(buf, p.buf[p.from:p.to])
	moved := p.pos - n
	p.end = n + copy(buf[n:], p.buf[p.pos:p.end])
	p.pos = n
	p.checked -= moved
	p.dubious -= moved
	p.buf = buf
	p.from, p.to = 0, n
}

// newBuffer returns a buffer for the parser to change to. The one of maxBuffer bytes waits
// for the end of a large event. Of the large ones the last is found again if the garbage
// collector has not taken it yet: events of 64 KiB or 1 MiB in a row take less than half the time.
func (p *Parser) newBuffer(size int) []byte {
	p.data = nil // which keeps the old one
	if size > maxBuffer {
		if len(p.buf) == maxBuffer {
			p.small = p.buf
		}
		p.large = p.spent.Value()
		if p.large == nil || len(*p.large) < size {
			buf := make([]byte, size)
			p.large, p.spent = &buf, weak.Make(&buf)
		}
		return *p.large
	}
	p.large = nil
	if len(p.small) == size {
		return p.small
	}
	return make([]byte, size)
}

// checkUTF8 looks at the bytes that the last read brought. Whole reads are checked
// several times faster than single events, which are looked at where a read fails.
func (p *Parser) checkUTF8() {
	b := p.buf[p.checked:p.end]
	b = b[:len(b)-unfinishedRune(b)]
	p.checked += len(b)
	if !utf8.Valid(b) {
		p.dubious = p.checked
	}
}

// unfinishedRune returns the length of the incomplete encoding at the end of b.
func unfinishedRune[S string | []byte](b S) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune([]byte(last)) {
				return 0
			}
			return n
		}
	}
	return 0
}

// growth returns how many bytes longer b becomes when U+FFFD takes the place of what is
// malformed.
func growth(b []byte) int {
	n := 0
	for len(b) > 0 {
		if valid := validPrefix(b); valid > 0 {
			b = b[valid:]
			continue
		}
		size := subpart(b)
		n += len("\ufffd") - size
		b = b[size:]
	}
	return n
}

// validPrefix returns the length of the well-formed text at the beginning of b.
func validPrefix(b []byte) int {
	n := 0
	for n < len(b) {
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}

// subpart returns the length of the maximal subpart of an ill-formed sequence at the
// beginning of b: the longest start of some encoding, which utf8.FullRune tells by not
// calling it full.
func subpart(b []byte) int {
	n := 1
	for n < len(b) && !utf8.FullRune(b[:n+1]) {
		n++
	}
	return n
}

func validUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return appendValidUTF8(nil, b)
}

// appendValidUTF8 appends src with U+FFFD for each maximal subpart of an ill-formed
// sequence, as the Encoding standard's decoder does.
func appendValidUTF8(dst, src []byte) []byte {
	for len(src) > 0 {
		n := validPrefix(src)
		dst = append(dst, src[:n]...)
		if src = src[n:]; len(src) > 0 {
			dst = append(dst, "\ufffd"...)
			src = src[subpart(src):]
		}
	}
	return dst
}
