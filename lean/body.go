package lean

import (
	"io"
	"net/http"
	"slices"
)

// A body is a response's body. It has no buffer: bytes go from the connection into the
// slice that Read was given, and chunks are decoded in place there. So a Read returns what
// has arrived, and an idle stream holds nothing but this struct.
type body struct {
	c      *conn
	resp   *http.Response
	rest   []byte // read after the head; nil once consumed
	chunks *chunks
	left   int64 // bytes, where their number is known; otherwise -1
}

// takeBody gives the response its body, which owns the connection from then on.
func (c *conn) takeBody(resp *http.Response, rest []byte) {
	if resp.Body == http.NoBody {
		c.close(io.EOF)
		return
	}
	b := &body{c: c, resp: resp, left: resp.ContentLength}
	if len(rest) > 0 {
		b.rest = rest
	}
	if slices.Contains(resp.TransferEncoding, "chunked") {
		b.chunks, b.left = new(chunks), -1
	}
	resp.Body = b
}

// Read returns what has arrived. It waits only if that is nothing.
func (b *body) Read(p []byte) (n int, err error) {
	if err := b.c.cause(nil); err != nil { // the end of the body, too
		return 0, err
	}
	for n == 0 && err == nil && len(p) > 0 {
		if n, err = b.read(p); n == 0 {
			break
		}
		n, err = b.decode(p[:n], err)
	}
	if err != nil {
		b.rest, b.chunks = nil, nil
		b.c.close(err)
		if n > 0 {
			err = nil // until the next Read
		}
	}
	return n, err
}

// read reads bytes as the connection carries them.
func (b *body) read(p []byte) (n int, err error) {
	if b.left >= 0 {
		p = p[:min(int64(len(p)), b.left)]
	}
	if b.rest != nil {
		n = copy(p, b.rest)
		if b.rest = b.rest[n:]; len(b.rest) == 0 {
			b.rest = nil
		}
		return n, nil
	}
	if n, err = b.c.Read(p); err != nil {
		err = b.c.cause(err)
	}
	if err == io.EOF && (b.chunks != nil || b.left > int64(n)) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// decode takes the framing away from bytes that were read before err, and returns how many
// of the body's now stand at the front of p.
func (b *body) decode(p []byte, err error) (int, error) {
	n := len(p)
	switch {
	case b.chunks != nil:
		var end error
		if n, end = b.chunks.decode(p); end == io.EOF {
			end = b.chunks.takeTrailer(b.resp)
		}
		if end != nil {
			err = end
		}
	case b.left >= 0:
		if b.left -= int64(n); b.left == 0 {
			err = io.EOF
		}
	}
	return n, err
}

// PromptReads tells a reader that cares, as package sse does, that a large Read holds back
// nothing that has arrived. Over net/http, it may.
func (b *body) PromptReads() {}

// Close closes the connection, and ends a Read that is waiting. It may be called from any
// goroutine.
func (b *body) Close() error {
	b.c.close(http.ErrBodyReadAfterClose)
	return nil
}
