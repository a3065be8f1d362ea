// Package wire reads the bytes of an event stream as the HTML standard's section 9.2.6
// does, and notes by line and byte offset what clients ignore, lose or do not survive.
package wire

import (
	"hash/maphash"
	"strings"
)

const (
	maxLine   = 16 << 20 // bytes of a line that are kept; the rest is counted
	maxEvents = 50_000   // events that are kept; the rest are counted
	maxData   = 4 << 10  // bytes of an event's data that are kept
	maxPlaces = 3        // places of a fault that are kept; the rest are counted
)

// The faults, which are also the identifiers of the findings made of them.
const (
	BOM          = "bom"
	CRInData     = "cr-in-data"
	InvalidUTF8  = "invalid-utf8"
	NULInID      = "nul-id"
	Retry        = "retry"
	Unframed     = "unframed"
	UnknownField = "unknown-field"
	LongID       = "long-id" // an ID that no header can carry
)

// An Event is a block that the standard dispatches.
type Event struct {
	Type, ID    string // ID is the last event ID in force
	OwnID       bool   // the block has a valid id field
	Data        string // at most its first 4 KiB
	Size        int    // bytes of the block
	Key         uint64 // the same for events of the same type, ID field and data
	First, Last int64  // offsets of the block's first byte, and of the byte that dispatches it
	Line        int    // of its first line, counted from 1
}

// A Place is where a fault was seen.
type Place struct {
	Line   int   // counted from 1
	Offset int64 // bytes before it
	Text   string
}

// A Fault is one kind of fault, everywhere it was seen.
type Fault struct {
	Count  int
	Places []Place // the first of them
}

// A Scanner is given the bytes of a stream, however they are cut.
type Scanner struct {
	Events     []Event
	Count      int // of all events, kept or not
	Faults     map[string]*Fault
	Comments   []int64 // offsets at which a comment line ended
	Lines      int
	Size       int64
	LF         int // line ends of each kind
	CRLF       int
	CR         int
	Retries    []string // values of retry fields, valid or not
	HasID      bool     // some block had an id field
	Largest    Event
	Unfinished string // after Close: the first lines of the block that the end cut off
	Ended      bool   // Close was called

	faults  map[string]*Fault
	seed    maphash.Seed
	line    []byte
	skipped int // bytes of the line that were not kept
	lineAt  int64
	afterCR bool // the byte before was a CR, which ended a line
	oddCR   bool // the line follows a CR that no LF followed
	bare    []Place
	lastID  string
	block   block
	odd     Fault // unknown lines that follow such a CR
}

type block struct {
	open      bool
	field     bool // it has a data, event or id field
	first     int64
	line      int
	typ, id   string
	ownID     bool
	hasData   bool
	data      strings.Builder
	hash      maphash.Hash
	lastLines []string
}

// NewScanner returns a Scanner at the start of a stream. Keys are comparable among
// Scanners that have the same seed.
func NewScanner(seed maphash.Seed) *Scanner {
	s := &Scanner{faults: make(map[string]*Fault), seed: seed}
	s.block.hash.SetSeed(seed)
	return s
}

// Write reads more of the stream. It never fails.
func (s *Scanner) Write(p []byte) (int, error) {
	for _, b := range p {
		s.byte(b)
	}
	return len(p), nil
}

func (s *Scanner) byte(b byte) {
	at := s.Size
	s.Size++
	if s.afterCR {
		s.afterCR = false
		if b == '\n' {
			s.CR--
			s.CRLF++
			s.oddCR = false
			s.lineAt = s.Size
			if n := len(s.bare); n > 0 && s.bare[n-1].Offset == at-1 {
				s.bare = s.bare[:n-1]
			}
			return
		}
	}
	switch b {
	case '\n':
		s.LF++
		s.endLine(at)
		s.oddCR = false
	case '\r':
		s.CR++
		if len(s.bare) < maxPlaces {
			s.bare = append(s.bare, Place{s.Lines + 1, at, string(clip(s.line))})
		}
		s.endLine(at)
		s.afterCR, s.oddCR = true, true
	default:
		if len(s.line) < maxLine {
			s.line = append(s.line, b)
		} else {
			s.skipped++
		}
	}
}

func (s *Scanner) endLine(at int64) {
	s.Lines++
	line := s.line
	if s.Lines == 1 {
		line = s.trimBOM(line)
	}
	s.readLine(line, at)
	s.line, s.skipped, s.lineAt = s.line[:0], 0, s.Size
}

func (s *Scanner) trimBOM(line []byte) []byte {
	if !strings.HasPrefix(string(line), "\ufeff") {
		return line
	}
	s.fault(BOM, Place{1, 0, ""})
	return line[len("\ufeff"):]
}

// Close ends the stream where the server, or the file, ended it.
func (s *Scanner) Close() {
	s.Ended = true
	rest := s.line
	if s.Lines == 0 {
		rest = s.trimBOM(rest)
	}
	if len(rest) > 0 {
		s.Lines++
		s.readLine(rest, s.Size)
		s.line = s.line[:0]
	}
	if s.block.field {
		s.Unfinished = strings.Join(s.block.lastLines, "\n")
	}
}

// Fault returns a fault of the stream so far; nil if there is none.
func (s *Scanner) Fault(id string) *Fault {
	mixed := s.CR > 0 && s.LF+s.CRLF > 0
	switch {
	case id == CRInData && mixed:
		return &Fault{Count: s.CR, Places: s.bare}
	case id == UnknownField && !mixed && s.odd.Count > 0:
		return &s.odd // all lines end with CR
	}
	return s.faults[id]
}

func (s *Scanner) fault(id string, place Place) {
	f := s.faults[id]
	if f == nil {
		f = new(Fault)
		s.faults[id] = f
	}
	f.add(place)
}

func (f *Fault) add(place Place) {
	f.Count++
	if len(f.Places) < maxPlaces {
		f.Places = append(f.Places, place)
	}
}

// clip returns the beginning of a line, for a report.
func clip(line []byte) []byte {
	const limit = 80
	return line[:min(len(line), limit)]
}

// Open returns the offset of the first byte of the block that is not finished yet; -1: there
// is none.
func (s *Scanner) Open() int64 {
	switch {
	case s.block.open:
		return s.block.first
	case len(s.line) > 0 && s.line[0] != ':':
		return s.lineAt
	}
	return -1
}
