package lean

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/textproto"
)

const (
	maxChunkLine = 4 << 10  // bytes of the line before a chunk
	maxTrailer   = 4 << 10  // bytes after the last one
	maxExcess    = 16 << 10 // bytes of lines beyond what a sender of small chunks needs
	fairExcess   = 16       // bytes that each of those needs, and twice its data
	sizeDigits   = 16       // of a chunk's size, in hexadecimal
)

var (
	errChunkLine    = errors.New("lean: malformed chunk: its line does not end in CRLF")
	errChunkSize    = errors.New("lean: malformed chunk: its size is no hexadecimal number")
	errChunkTooLong = errors.New("lean: malformed chunk: its size or its line is too long")
	errChunkEnd     = errors.New("lean: malformed chunk: its data does not end in CRLF")
	errExcess       = errors.New("lean: the chunks are mostly extensions")
	errLongTrailer  = errors.New("lean: the trailer is too long")
)

// What the next byte of a chunked body belongs to.
type chunkPart uint8

const (
	partSize      chunkPart = iota // a digit of the size, or what follows it
	partSpace                      // spaces between the size and the line's end
	partExtension                  // an extension, up to the CR of the line
	partLineLF                     // the LF of the line
	partData                       // left bytes of data
	partDataCR                     // the CR after the data,
	partDataLF                     // and the LF
	partTrailer                    // after the last chunk
)

// chunks takes the chunked coding of RFC 9112, section 7.1, away from bytes as they arrive.
// Its limits are those of net/http. It keeps no bytes but those of a trailer.
type chunks struct {
	part    chunkPart
	left    uint64 // of the chunk: the digits of its size so far, and then bytes of data
	digits  int    // of the size
	line    int    // bytes of the chunk's line
	excess  int64  // bytes of lines, beyond the fair ones
	trailer []byte
}

// decode moves the data in p to its front, and returns how much that is, and io.EOF once
// the last chunk and the trailer have ended.
func (c *chunks) decode(p []byte) (n int, err error) {
	for i := 0; i < len(p); i++ {
		if c.part == partData {
			size := int(min(uint64(len(p)-i), c.left))
			copy(p[n:], p[i:i+size])
			n += size
			i += size - 1
			if c.left -= uint64(size); c.left == 0 {
				c.part = partDataCR
			}
			continue
		}
		if err := c.next(p[i]); err != nil {
			return n, err
		}
	}
	return n, nil
}

// next takes a byte that is no data.
func (c *chunks) next(b byte) error {
	switch c.part {
	case partSize, partSpace, partExtension, partLineLF:
		return c.nextOfLine(b)
	case partDataCR:
		if b != '\r' {
			return errChunkEnd
		}
		c.part = partDataLF
	case partDataLF:
		if b != '\n' {
			return errChunkEnd
		}
		c.part, c.left, c.digits, c.line = partSize, 0, 0, 0
	case partTrailer:
		c.trailer = append(c.trailer, b)
		switch {
		case string(c.trailer) == "\r\n", bytes.HasSuffix(c.trailer, []byte("\r\n\r\n")):
			return io.EOF
		case len(c.trailer) >= maxTrailer:
			return errLongTrailer
		}
	}
	return nil
}

// nextOfLine takes a byte of the line before a chunk's data.
func (c *chunks) nextOfLine(b byte) error {
	if c.line++; c.line > maxChunkLine {
		return errChunkTooLong
	}
	switch {
	case c.part == partLineLF:
		if b != '\n' {
			return errChunkLine
		}
		return c.begin()
	case b == '\n':
		return errChunkLine
	case b == '\r':
		c.part = partLineLF
		if c.digits == 0 {
			return errChunkSize
		}
	case c.part == partExtension:
	case b == ';' && c.part == partSize && c.digits > 0:
		c.part = partExtension
	case b == ' ' || b == '\t':
		c.part = partSpace
	case c.part == partSize:
		return c.digit(b)
	default:
		return errChunkSize
	}
	return nil
}

func (c *chunks) digit(b byte) error {
	switch {
	case '0' <= b && b <= '9':
		b -= '0'
	case 'a' <= b && b <= 'f':
		b -= 'a' - 10
	case 'A' <= b && b <= 'F':
		b -= 'A' - 10
	default:
		return errChunkSize
	}
	if c.digits++; c.digits > sizeDigits {
		return errChunkTooLong
	}
	c.left = c.left<<4 | uint64(b)
	return nil
}

// begin begins the data of a chunk, or the trailer.
func (c *chunks) begin() error {
	fair := fairExcess + 2*int64(min(c.left, math.MaxInt32))
	if c.excess = max(0, c.excess+int64(c.line)-fair); c.excess > maxExcess {
		return errExcess
	}
	c.part = partData
	if c.left == 0 {
		c.part = partTrailer
	}
	return nil
}

// takeTrailer gives the response its trailer, and returns io.EOF, or an error if it is none.
func (c *chunks) takeTrailer(resp *http.Response) error {
	if len(c.trailer) == len("\r\n") {
		return io.EOF
	}
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(c.trailer))).ReadMIMEHeader()
	if err != nil {
		return fmt.Errorf("lean: malformed trailer: %s", clip(err.Error()))
	}
	if resp.Trailer == nil {
		resp.Trailer = make(http.Header)
	}
	maps.Copy(resp.Trailer, http.Header(header))
	return io.EOF
}
