package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// The lower half of the Parser: from reads to lines. Each byte is searched once for LF,
// once for CR and once for malformed UTF-8, and moved a constant number of times,
// however the stream is cut into reads and lines.

const (
	minBuffer = 512            // bytes: an idle stream costs little
	maxBuffer = 64 << 10       // bytes, but for one large event
	maxRead   = 32 << 10       // bytes of one Read: they are parsed while they are in the cache
	keepLine  = maxComment + 2 // bytes: with its colon, and one that shows that there was more

	maxEmptyReads = 100 // in a row, before io.ErrNoProgress

	byteOrder = "\xef\xbb\xbf" // U+FEFF, the byte order mark
)

var errBadRead = errors.New("sse: reader returned an impossible count from Read")

// line returns the next line without its end, valid until the next call.
// Of a line that nobody needs whole, bytes behind the first keepLine may be missing.
func (p *Parser) line(limit int) ([]byte, error) {
	if p.pos < p.end && p.buf[p.pos] == '\n' { // a blank line, without a search
		p.start = p.pos
		p.pos++
		return nil, nil
	}
	if end := p.lineEnd(p.pos); end < p.end {
		return p.take(end), nil
	}
	return p.readLine(limit)
}

// lineEnd returns where the line at pos ends, or p.end. The bytes before from are known
// to have no line end. A stream without CR is searched for it once per read.
func (p *Parser) lineEnd(from int) int {
	if p.lf < from {
		p.lf = p.index('\n', from)
	}
	if p.cr < from {
		p.cr = p.index('\r', from)
	}
	return min(p.lf, p.cr)
}

func (p *Parser) index(c byte, from int) int {
	if i := bytes.IndexByte(p.buf[from:p.end], c); i >= 0 {
		return from + i
	}
	return p.end
}

// take consumes the line that ends at end, and its line end.
func (p *Parser) take(end int) []byte {
	line := p.buf[p.pos:end]
	p.start = p.pos
	p.pos = end + 1
	if end == p.cr {
		if p.pos == p.end {
			p.skipLF = true // CR ends the line now; an LF may follow in the next read
		} else if p.buf[p.pos] == '\n' {
			p.pos++
		}
	}
	return line
}

// readLine is line for a line whose end has not been read yet.
func (p *Parser) readLine(limit int) ([]byte, error) {
	for {
		if line := p.buf[p.pos:p.end]; stored(line) {
			if len(line) > limit {
				return nil, ErrEventTooLarge
			}
		} else if len(line) > keepLine {
			p.end = p.pos + keepLine // what is read next takes the place of what was behind it
			p.checked = min(p.checked, p.end)
		}
		from, err := p.fill()
		if err != nil {
			return nil, err
		}
		p.lf, p.cr = -1, -1
		if end := p.lineEnd(from); end < p.end {
			return p.take(end), nil
		}
	}
}

// stored tells a line that must be kept whole by its beginning.
func stored(line []byte) bool {
	name, _, colon := bytes.Cut(line[:min(len(line), len("event:"))], []byte(":"))
	switch string(name) {
	case "data", "event", "id", "retry":
		return colon
	}
	return false
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
// maxBuffer; past that for one large event, and is let go after it. What is kept, the
// block's data and the unfinished line, moves to the front, at most three bytes for
// each byte of room won.
func (p *Parser) makeRoom() {
	live, size := len(p.data)+p.end-p.pos, len(p.buf)
	full := p.end == size
	switch {
	case full && size < maxBuffer:
		size = max(minBuffer, 2*size)
	case full && live > size-size/4:
		size *= 2
	case size > maxBuffer && live <= maxBuffer/2:
		size = maxBuffer
	case !full && live > 0:
		return
	}
	buf := p.buf
	if size != len(buf) {
		buf = make([]byte, size)
	}
	n := copy(buf, p.data)
	moved := p.pos - n
	p.end = n + copy(buf[n:], p.buf[p.pos:p.end])
	p.pos = n
	p.checked -= moved
	p.dubious -= moved
	p.buf = buf
	if p.data != nil {
		p.data = buf[:n]
	}
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
func unfinishedRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

func validUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return appendValidUTF8(nil, b)
}

// appendValidUTF8 appends src with U+FFFD for each maximal subpart of an ill-formed
// sequence, as the Encoding standard's decoder does. The subpart is the longest start
// of some encoding, which utf8.FullRune tells by not calling it full.
func appendValidUTF8(dst, src []byte) []byte {
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n == 1 {
			for n < utf8.UTFMax-1 && n < len(src) && !utf8.FullRune(src[:n+1]) {
				n++
			}
		}
		dst = utf8.AppendRune(dst, r)
		src = src[n:]
	}
	return dst
}
