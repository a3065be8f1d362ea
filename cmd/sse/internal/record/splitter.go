package record

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxHeader = 1 << 20  // bytes of a response's header
	maxLine   = 16 << 10 // bytes of a line between chunks
)

// A head is the header of a response, as it was sent.
type head struct {
	code    int
	fields  []field
	framing framing
}

// A field is a line of a header.
type field struct{ name, value string }

// get returns the first value of a field.
func (h *head) get(name string) string {
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// A framing is how the end of a body is found (RFC 9112, section 6.3).
type framing int

const (
	noBody framing = iota
	byChunks
	byLength
	byClose
	byHTTP2
)

// A sink is given the parts of a response, each with the time at which it came.
type sink interface {
	head(at time.Time, h *head)
	bytes(at time.Time, p []byte, boundary bool) // boundary: a chunk ends after p
	end(at time.Time)
}

// A splitter reads a response of HTTP/1.1, as it comes from a connection, beside net/http,
// which reads the same bytes and judges them. What net/http would refuse, it passes over.
type splitter struct {
	out    sink
	method string // of the request
	state  state
	line   []byte   // that has not ended yet
	lines  []string // of the header
	size   int      // of the header
	left   int64    // of the chunk, or of the body
	close  bool     // the end of the connection is the end of the body
}

type state int

const (
	inHeader state = iota
	inBody
	inChunkLine
	inChunk
	afterChunk
	inTrailer
	over // the response has ended, or is not understood
)

// write reads what came at a time.
func (s *splitter) write(at time.Time, p []byte) {
	for len(p) > 0 && s.state != over {
		switch s.state {
		case inBody, inChunk:
			part := p[:min(int64(len(p)), s.left)]
			if s.close {
				part = p
			} else {
				s.left -= int64(len(part))
			}
			p = p[len(part):]
			s.out.bytes(at, part, s.state == inChunk && s.left == 0)
			switch {
			case s.close || s.left > 0:
			case s.state == inChunk:
				s.state = afterChunk
			default:
				s.finish(at)
			}
		default:
			i := bytes.IndexByte(p, '\n')
			if i < 0 {
				s.line = append(s.line, p...)
				p = nil
			} else {
				line := string(append(s.line, p[:i]...))
				s.line, p = s.line[:0], p[i+1:]
				s.readLine(at, strings.TrimSuffix(line, "\r"))
			}
			limit := maxLine
			if s.state == inHeader {
				limit = maxHeader - s.size
			}
			if len(s.line) > limit {
				s.state = over
			}
		}
	}
}

// closed reports whether the end of the connection is the end of the response.
func (s *splitter) closed() bool { return s.close && s.state == inBody }

func (s *splitter) finish(at time.Time) {
	s.state = over
	s.out.end(at)
}

func (s *splitter) readLine(at time.Time, line string) {
	switch s.state {
	case inHeader:
		s.size += len(line) + 2
		if line != "" {
			s.lines = append(s.lines, line)
		} else if len(s.lines) > 0 {
			s.readHeader(at)
		}
	case inChunkLine:
		digits, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 16, 64)
		switch {
		case err != nil || n < 0:
			s.state = over
		case n == 0:
			s.state = inTrailer
		default:
			s.state, s.left = inChunk, n
		}
	case afterChunk:
		s.state = inChunkLine
	case inTrailer:
		if line == "" {
			s.finish(at)
		}
	}
}

// readHeader reads the lines of a header, and finds out how the body is framed.
func (s *splitter) readHeader(at time.Time) {
	lines := s.lines
	s.lines, s.size = nil, 0
	h := new(head)
	proto, status, _ := strings.Cut(lines[0], " ")
	code, _, _ := strings.Cut(strings.TrimLeft(status, " "), " ")
	var err error
	h.code, err = strconv.Atoi(code)
	switch {
	case err != nil || h.code == http.StatusSwitchingProtocols:
		s.state = over
		return
	case h.code >= 100 && h.code < 200:
		return // an interim response: the next header is to come
	}
	for _, line := range lines[1:] {
		if last := len(h.fields) - 1; (line[0] == ' ' || line[0] == '\t') && last >= 0 {
			h.fields[last].value += " " + strings.Trim(line, " \t") // RFC 9112, section 5.2
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		h.fields = append(h.fields, field{name, strings.Trim(value, " \t")})
	}
	length, err := strconv.ParseInt(h.get("Content-Length"), 10, 64)
	chunked := strings.EqualFold(h.get("Transfer-Encoding"), "chunked") && proto != "HTTP/1.0" // which net/http ignores there
	switch {
	case s.method == http.MethodHead, h.code == http.StatusNoContent, h.code == http.StatusNotModified:
		h.framing = noBody
	case chunked:
		h.framing, s.state = byChunks, inChunkLine
	case err == nil && length >= 0:
		h.framing, s.state, s.left = byLength, inBody, length
	default:
		h.framing, s.state, s.close = byClose, inBody, true
	}
	s.out.head(at, h)
	if h.framing == noBody || h.framing == byLength && length == 0 {
		s.finish(at)
	}
}
