package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"weak"
)

const (
	minBuffer = 512               // bytes: an idle stream costs little
	maxBuffer = 64 << 10          // bytes, except for one large event
	minLarge  = maxBuffer / 2 * 5 // bytes: an event just over a power of two takes a third less time
	minKeep   = len("event:+")    // bytes of a line that is skipped: they show its field

	maxEmptyReads = 100 // consecutive ones, before io.ErrNoProgress

	utf8BOM = "\xef\xbb\xbf" // U+FEFF, the byte order mark
)

var errBadRead = errors.New("sse: reader returned an impossible count from Read")

// A buffer is the lower half of the Parser: it reads a stream, finds its lines, and holds
// the data of the current block, which it joins in place.
//
//	buf: | free | the block's data | free | read, not parsed | free |
//	            from               to     pos                end    len(buf)
//
//	0 ≤ from ≤ to ≤ pos ≤ end ≤ len(buf); from = to without data
//	lf and cr are where the first LF and CR of buf[pos:end] stand, end if there is
//	none; one below pos has not been searched for yet
//	buf[:checked] has been checked for malformed UTF-8; half a rune at most stands between
//	checked and end, and a line that starts below maybeInvalidBefore may be malformed
//
// Each byte is searched once for LF, once for CR and once for malformed UTF-8, and moved a
// constant number of times, however the stream is cut into reads and lines.
type buffer struct {
	r   io.Reader
	err error // what ended the stream; read, and returned once what came before it is parsed

	buf      []byte
	large    *[]byte              // buf, if it is over maxBuffer
	recycled weak.Pointer[[]byte] // the last such buffer
	small    []byte               // the one of maxBuffer bytes, while buf is large

	pos, end           int
	lf, cr             int
	checked            int
	maybeInvalidBefore int
	skipLF             bool // the last read ended in the CR of what may be a CRLF
	bom                bool // the stream's first three bytes have not all been looked at

	hasData   bool // the block has a data field
	from, to  int
	malformed bool // the data may be malformed UTF-8
}

// reset makes the buffer read from r, without anything that it has read before.
func (b *buffer) reset(r io.Reader) {
	b.drop()
	b.r, b.err = r, nil
	b.skipLF, b.bom = false, true
}

// drop forgets all that has been read.
func (b *buffer) drop() {
	b.pos, b.end, b.lf, b.cr, b.checked, b.maybeInvalidBefore = 0, 0, -1, -1, 0, 0
	b.dropData()
	if len(b.buf) > maxBuffer {
		b.buf, b.large = b.small, nil
	}
}

// dropData forgets the block's data.
func (b *buffer) dropData() { b.hasData, b.malformed = false, false }

// addData adds the data line buf[start:end], whose value starts at value, to the block's
// data, and reports whether that keeps within the limit.
func (b *buffer) addData(start, value, end, limit int) bool {
	if b.buf[value] == ' ' { // or the line's end
		value++
	}
	if start < b.maybeInvalidBefore {
		b.malformed = true
	}
	if !b.hasData {
		b.hasData, b.from, b.to = true, value, end
	} else {
		b.join(value, end)
	}
	return max(end-start, b.to-b.from) <= limit
}

// join adds a line to the data in place: the data so far ends before the line, whose
// name makes room for the LF.
func (b *buffer) join(value, end int) {
	b.buf[b.to] = '\n'
	b.to += 1 + copy(b.buf[b.to+1:], b.buf[value:end])
}

// blank consumes the next line if it is blank and its end is in the buffer; the LF of a
// CRLF counts as one more. It needs no search, which takes a quarter off events of 200
// bytes that end in CRLF.
func (b *buffer) blank() bool {
	if b.pos < b.end && (b.buf[b.pos] == '\n' || b.buf[b.pos] == '\r') {
		b.pos++
		return true
	}
	return false
}

// line finds the next line, buf[start:end], if its end is in the buffer: otherwise end is
// b.end. Where the first LF is must be known.
func (b *buffer) line() (start, end int) {
	if b.cr < b.pos { // once per read, in a stream without CR
		b.cr = b.pos + index(b.buf[b.pos:b.end], '\r')
	}
	return b.pos, min(b.lf, b.cr)
}

// consume moves past the line that ends at end.
func (b *buffer) consume(end int) {
	b.pos = end + 1
	if end == b.cr {
		if b.pos == b.end {
			b.skipLF = true // CR ends the line now; an LF may follow in the next read
		} else if b.buf[b.pos] == '\n' {
			b.pos++
		}
	}
}

// index is bytes.IndexByte, but returns len(b) if b contains no c.
func index(b []byte, c byte) int {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return i
	}
	return len(b)
}

// readLine reads until the next line, buf[start:end], has ended. A line that no one needs
// whole may be cut.
func (b *buffer) readLine(limit int, needed needed) (start, end int, err error) {
	for {
		line := b.buf[b.pos:b.end]
		if n := needed.of(line); n > 0 {
			if len(line) > n {
				b.end = b.pos + n // what is read next takes the place of what was after it
				b.checked = min(b.checked, b.end)
			}
		} else if len(line) > limit {
			return 0, 0, ErrEventTooLarge
		}
		from, err := b.fill()
		if err != nil {
			return 0, 0, err
		}
		unread := b.buf[from:b.end]
		b.lf, b.cr = from+index(unread, '\n'), from+index(unread, '\r')
		if end := min(b.lf, b.cr); end < b.end {
			return b.pos, end, nil
		}
	}
}

// needed has the bytes that are needed of each comment and of each unknown line. One more
// than a hook gets shows that there was more.
type needed struct{ comment, unknown int }

// of returns how many bytes are needed of a line, which its beginning shows; 0 stands for
// all of them.
func (n needed) of(line []byte) int {
	name, _ := splitField(line)
	switch string(name) {
	case "data", "event", "id", "retry":
		if len(name) < len(line) {
			return 0
		}
		return minKeep
	case "":
		return n.comment
	default:
		return n.unknown
	}
}

// fill reads more bytes after buf[pos:end] and returns where those start that no line end
// has been searched for in.
func (b *buffer) fill() (from int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	b.makeRoom()
	for range maxEmptyReads {
		room := b.buf[b.end:min(len(b.buf), b.end+maxRead)]
		n, err := b.r.Read(room)
		if n < 0 || n > len(room) {
			return 0, errBadRead
		}
		b.err = err
		if n == 0 && err == nil {
			continue
		}
		if n == 0 {
			return 0, err
		}
		from = b.end
		b.end += n
		b.checkUTF8()
		if b.skipLF {
			b.skipLF = false
			if b.buf[b.pos] == '\n' {
				b.pos++
			}
		}
		if b.bom {
			b.skipBOM()
		}
		return max(from, b.pos), nil
	}
	return 0, io.ErrNoProgress
}

// skipBOM drops the byte order mark as soon as all of it has been read.
func (b *buffer) skipBOM() {
	switch begin := string(b.buf[b.pos:min(b.end, b.pos+len(utf8BOM))]); {
	case begin == utf8BOM:
		b.pos += len(utf8BOM)
		b.bom = false
	case !strings.HasPrefix(utf8BOM, begin):
		b.bom = false
	}
}

// makeRoom makes room after b.end. The buffer doubles when a read has filled it, up to
// maxBuffer; past that it grows from minLarge, for one large event, and is let go after it.
// What is kept, the block's data and the unfinished line, moves to the front: at most
// three bytes for each byte of room won.
func (b *buffer) makeRoom() {
	if !b.hasData {
		b.from, b.to = 0, 0
	}
	live, size := b.to-b.from+b.end-b.pos, len(b.buf)
	full := b.end == size
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
	buf := b.buf
	if size != len(buf) {
		buf = b.newBuffer(size)
	}
	n := copy(buf, b.buf[b.from:b.to])
	moved := b.pos - n
	b.end = n + copy(buf[n:], b.buf[b.pos:b.end])
	b.pos = n
	b.checked -= moved
	b.maybeInvalidBefore -= moved
	b.buf = buf
	b.from, b.to = 0, n
}

// newBuffer returns a slice to change to. The one of maxBuffer bytes is kept until a large
// event has ended. The last of the large ones is used again if the garbage collector has
// not taken it yet: consecutive events of 64 KiB or 1 MiB take less than half the time.
func (b *buffer) newBuffer(size int) []byte {
	if size > maxBuffer {
		if len(b.buf) == maxBuffer {
			b.small = b.buf
		}
		b.large = b.recycled.Value()
		if b.large == nil || len(*b.large) < size {
			buf := make([]byte, size)
			b.large, b.recycled = &buf, weak.Make(&buf)
		}
		return *b.large
	}
	b.large = nil
	if len(b.small) == size {
		return b.small
	}
	return make([]byte, size)
}

// checkUTF8 looks at the bytes that the last read brought. Whole reads are checked
// several times faster than single events, which are checked only if a read is malformed.
func (b *buffer) checkUTF8() {
	unchecked := b.buf[b.checked:b.end]
	unchecked = unchecked[:len(unchecked)-unfinishedRune(unchecked)]
	b.checked += len(unchecked)
	if !isValidUTF8(unchecked) {
		b.maybeInvalidBefore = b.checked
	}
}
