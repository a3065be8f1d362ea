package wire

import (
	"bytes"
	"hash/maphash"
	"strings"
	"unicode/utf8"
)

// readLine reads a line without its end. At is the offset of the byte that ended it.
func (s *Scanner) readLine(line []byte, at int64) {
	if len(line) == 0 {
		s.dispatch(at)
		return
	}
	if !utf8.Valid(line) {
		s.fault(InvalidUTF8, Place{s.Lines, s.lineAt + int64(invalidAt(line)), string(clip(line))})
		line = []byte(decode(line))
	}
	if line[0] == ':' {
		if len(s.Comments) < maxEvents {
			s.Comments = append(s.Comments, at)
		}
		return
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	b := &s.block
	if !b.open && string(name) != "retry" { // a heartbeat may stand before a block
		b.open, b.first, b.line = true, s.lineAt, s.Lines
	}
	if len(b.lastLines) < 4 {
		b.lastLines = append(b.lastLines, string(clip(line)))
	}
	switch string(name) {
	case "data":
		b.field = true
		s.addData(value)
	case "event":
		b.field = true
		b.typ = string(value)
	case "id":
		s.readID(value)
	case "retry":
		if len(s.Retries) < maxPlaces {
			s.Retries = append(s.Retries, string(clip(value)))
		}
		if len(bytes.Trim(value, "0123456789")) > 0 || len(value) == 0 {
			s.fault(Retry, Place{s.Lines, s.lineAt, string(clip(line))})
		}
	default:
		s.unknown(line)
	}
}

func (s *Scanner) addData(value []byte) {
	b := &s.block
	if b.hasData {
		b.data.WriteByte('\n')
	}
	b.hasData = true
	if free := maxData - b.data.Len(); free > 0 {
		b.data.Write(value[:min(len(value), free)])
	}
	_, _ = b.hash.Write(value)
	_ = b.hash.WriteByte('\n')
}

func (s *Scanner) readID(value []byte) {
	place := Place{s.Lines, s.lineAt, string(clip(value))}
	s.HasID = true
	if bytes.IndexByte(value, 0) >= 0 {
		s.fault(NULInID, place)
		return
	}
	b := &s.block
	b.field, b.ownID, b.id = true, true, string(value)
	if !Resumable(b.id) {
		s.fault(LongID, place)
	}
}

// Resumable reports whether a Last-Event-ID header can carry an ID, as sse.Resumable does.
func Resumable(id string) bool {
	if len(id) > 8<<10 {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}

// unknown notes a line that no client makes anything of.
func (s *Scanner) unknown(line []byte) {
	place := Place{s.Lines, s.lineAt, string(clip(line))}
	switch {
	case s.oddCR:
		s.odd.add(place)
	case unframed(line):
		s.fault(Unframed, place)
	default:
		s.fault(UnknownField, place)
	}
}

// unframed reports whether a line looks like JSON, HTML or an answer's sentinel that stands
// in no field.
func unframed(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 0 && bytes.IndexByte([]byte("{[<"), line[0]) >= 0
}

// dispatch ends a block at the offset of the byte that completes its blank line.
func (s *Scanner) dispatch(at int64) {
	b := &s.block
	if b.ownID {
		s.lastID = b.id
	}
	if b.hasData {
		typ := b.typ
		if typ == "" {
			typ = "message"
		}
		_, _ = b.hash.WriteString("\x00" + typ + "\x00" + b.id)
		ev := Event{
			Type: typ, ID: s.lastID, OwnID: b.ownID, Data: b.data.String(), Size: int(at - b.first),
			Key: b.hash.Sum64(), First: b.first, Last: at, Line: b.line,
		}
		s.Count++
		if len(s.Events) < maxEvents {
			s.Events = append(s.Events, ev)
		}
		if ev.Size > s.Largest.Size {
			s.Largest = ev
		}
	}
	s.block = block{}
	s.block.hash.SetSeed(s.seed)
}

// invalidAt returns the offset of the first byte that is not UTF-8.
func invalidAt(line []byte) int {
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRune(line[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(line)
}

// decode makes UTF-8 of a line, as clients do but for the number of U+FFFD.
func decode(line []byte) string { return strings.ToValidUTF8(string(line), "\ufffd") }

// NewSeed returns a seed for Scanners whose events are to be compared.
func NewSeed() maphash.Seed { return maphash.MakeSeed() }
