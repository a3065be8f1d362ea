package lean

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"unicode/utf8"
)

const (
	maxInformational = 100 // responses before the final one
	maxQuoted        = 200 // bytes of a server's in an error
	maxEmptyReads    = 100 // consecutive ones, before io.ErrNoProgress
)

var errNoResponse = fmt.Errorf("lean: the server closed the connection without a response: %w", io.ErrUnexpectedEOF)

var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// readHead reads the head of the response to req, and returns what it read after it. The
// response has no body yet.
func readHead(r *headReader, req *http.Request) (resp *http.Response, rest []byte, err error) {
	trace := httptrace.ContextClientTrace(req.Context())
	limit := r.left
	if err := r.await(); err != nil {
		return nil, nil, err
	}
	if trace != nil && trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	br := readers.Get().(*bufio.Reader)
	br.Reset(r)
	defer func() {
		br.Reset(nil)
		readers.Put(br)
	}()
	for range maxInformational + 1 {
		resp, err = http.ReadResponse(br, req)
		if err != nil {
			switch {
			case r.exceeded:
				err = fmt.Errorf("lean: server response headers exceeded %d bytes", limit)
			case r.err != nil && r.err != io.EOF: // the network's
				err = r.err
			default:
				err = &malformedError{err}
			}
			return nil, nil, err
		}
		if resp.StatusCode/100 != 1 || resp.StatusCode == http.StatusSwitchingProtocols {
			rest, _ = br.Peek(br.Buffered())
			return resp, bytes.Clone(rest), nil
		}
		if trace == nil {
			continue
		}
		if resp.StatusCode == http.StatusContinue && trace.Got100Continue != nil {
			trace.Got100Continue()
		}
		if trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header)); err != nil {
				return nil, nil, err
			}
		}
	}
	return nil, nil, fmt.Errorf("lean: more than %d informational responses", maxInformational)
}

// A headReader reads a response's head from the connection, up to a limit.
type headReader struct {
	conn     *conn
	left     int64 // bytes
	exceeded bool
	err      error   // of the connection
	first    [1]byte // read by await,
	state    firstByte
}

type firstByte uint8 // of a response:

const (
	awaited firstByte = iota
	arrived
	taken // by Read
)

// await waits for the first byte, if that has not arrived yet. No buffer is held while a
// server takes its time.
func (r *headReader) await() error {
	for range maxEmptyReads {
		if r.state != awaited {
			return nil
		}
		n, err := r.conn.Read(r.first[:])
		switch {
		case n > 0:
			r.state, r.err = arrived, err
		case err == io.EOF:
			return errNoResponse
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

func (r *headReader) Read(p []byte) (n int, err error) {
	switch {
	case r.state == arrived:
		r.state = taken
		n = copy(p, r.first[:])
		r.left -= int64(n)
		return n, nil
	case r.err != nil:
		return 0, r.err
	case r.left <= 0:
		r.exceeded = true
		return 0, errors.New("lean: the header is too large")
	}
	n, r.err = r.conn.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, r.err
}

// A malformedError is about a response that is not HTTP. Its text quotes little of it.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return "lean: malformed response: " + clip(e.err.Error()) }
func (e *malformedError) Unwrap() error { return e.err }

// clip returns the beginning of a text that a server controls.
func clip(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	end := maxQuoted
	for end > maxQuoted-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
