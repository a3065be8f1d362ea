package sse

import (
	"errors"
	"io"
	"iter"
	"time"
	"unicode/utf8"
	"weak"
)

// DefaultMaxEventSize is the limit, in bytes, of one event's data and of any one line,
// where a [Parser] or a [Client] sets none.
const DefaultMaxEventSize = 32 << 20

// ErrEventTooLarge ends a stream with a data, event, id or retry line, or with an
// event's data, over the limit.
var ErrEventTooLarge = errors.New("sse: event exceeds the size limit")

const (
	defaultType = "message"
	dataField   = "data:"
)

// A Parser reads a stream's events from an [io.Reader] by the rules of the HTML
// standard, section 9.2.6, without allocating for them: what [Parser.Data] returns is
// borrowed. It checks nothing about the response that carries the stream and never
// reconnects; [Get] and [Client] do, and [Read] gives events to keep.
//
// Bytes that are not UTF-8 become U+FFFD, one for each maximal subpart, and are no error.
// A Parser may not be used by several goroutines at once.
type Parser struct {
	// MaxEventSize limits the bytes of one event's data, and the bytes of any one data,
	// event, id or retry line without its line end. A server could otherwise fill the
	// memory with a line that never ends. Zero means DefaultMaxEventSize.
	// Comments and unknown fields may have any length: they are skipped, not stored.
	MaxEventSize int

	// Comment, if not nil, is called during Next for each comment line, with the text
	// behind its colon, cut to 64 KiB. The text is valid during the call.
	Comment func(text []byte)

	r   io.Reader
	err error // what ended the stream; read, and returned once what came before is parsed

	buf      []byte
	large    *[]byte              // buf, where it is over maxBuffer
	spent    weak.Pointer[[]byte] // the last such
	small    []byte               // the one of maxBuffer bytes
	pos, end int                  // buf[pos:end] was read and not parsed yet
	lf, cr   int                  // the first of each in buf[pos:end], end if none; below pos: not searched for
	checked  int                  // buf[:checked] has been checked for malformed UTF-8,
	dubious  int                  // and may have some in lines that start below this
	skipLF   bool                 // the last read ended in the CR of what may be a CRLF
	bom      bool                 // the stream's first three bytes are still to be looked at

	// The current block, which is the current event once Next has returned it.
	hasData   bool
	from, to  int  // its data lines, joined in place: buf[from:to]
	malformed bool // they may be malformed UTF-8
	begun     bool // it has an event or id field
	typ       string
	id        []byte
	hasID     bool

	data  []byte // the current event's
	fixed []byte // the same, if it was malformed

	lastID       []byte // in force
	lastIDString string // the same, or an earlier one: made on demand
	retry        time.Duration
	hasRetry     bool

	types    map[string]string // event types seen, so that each is allocated once
	lastType string
}

// NewParser returns a Parser that reads from r. It buffers, and may read from r more
// than the events that it has returned.
func NewParser(r io.Reader) *Parser {
	p := new(Parser)
	p.Reset(r)
	return p
}

// Reset makes the Parser read a new connection's stream from r. Events and lines that
// are unfinished are dropped. The last event ID and the retry value stay in force.
func (p *Parser) Reset(r io.Reader) {
	p.drop()
	p.r, p.err = r, nil
	p.skipLF, p.bom = false, true
}

// drop forgets what is buffered and the current block.
func (p *Parser) drop() {
	p.pos, p.end, p.lf, p.cr, p.checked, p.dubious = 0, 0, -1, -1, 0, 0
	p.hasID = false
	p.newBlock()
	p.data = nil
	if len(p.buf) > maxBuffer {
		p.buf, p.large = p.small, nil
	}
}

func (p *Parser) newBlock() {
	p.hasData, p.malformed = false, false
	if p.begun {
		p.begun, p.typ = false, ""
	}
}

// Next advances to the next event, which [Parser.Event] and the other methods then
// return. It blocks until the event's blank line has arrived, and not longer.
//
// At the end of the stream Next returns [io.EOF], or [io.ErrUnexpectedEOF] where the
// stream ends inside an event, which is dropped. An error of the reader is returned
// as it is, after the events before it. After an error there is no current event, and
// Next goes on returning the same error until Reset.
func (p *Parser) Next() error {
	p.newBlock()
	if cap(p.fixed) > maxBuffer {
		p.fixed, p.data = nil, nil
	}
	limit := p.limit()
	for {
		for p.blank() {
			if p.endBlock() {
				return nil
			}
		}
		start := p.pos
		if p.lf < start {
			p.lf = start + index(p.buf[start:p.end], '\n')
		}
		end := p.lf
		if end < p.cr { // most lines, without a call: short ones take a seventh less time
			p.pos = end + 1
		} else {
			var err error
			if start, end, err = p.line(limit); err != nil {
				return p.stop(err)
			}
		}
		switch line := p.buf[start:end]; {
		case len(line) >= len(dataField) && string(line[:len(dataField)]) == dataField:
			if !p.addData(start, start+len(dataField), end, limit) {
				return p.stop(ErrEventTooLarge)
			}
		case len(line) == 0:
			if p.endBlock() {
				return nil
			}
		case line[0] == ':' && p.Comment == nil:
		default:
			if !p.field(start, end, limit) {
				return p.stop(ErrEventTooLarge)
			}
		}
	}
}

func (p *Parser) limit() int {
	if p.MaxEventSize > 0 {
		return p.MaxEventSize
	}
	return DefaultMaxEventSize
}

// endBlock commits the block's ID and reports whether the block is an event.
func (p *Parser) endBlock() bool {
	if p.hasID {
		p.commitID()
	}
	if !p.hasData {
		p.newBlock()
		return false
	}
	p.data = p.buf[p.from:p.to:p.to]
	if p.malformed {
		p.fixData()
	}
	return true
}

func (p *Parser) commitID() {
	p.hasID = false
	p.id, p.lastID = p.lastID, p.id
	if cap(p.id) > maxBuffer {
		p.id = nil
	}
}

func (p *Parser) fixData() {
	if !utf8.Valid(p.data) {
		p.fixed = appendValidUTF8(p.fixed[:0], p.data)
		p.data = p.fixed
	}
}

// stop ends the stream with err.
func (p *Parser) stop(err error) error {
	if err == io.EOF && (p.begun || p.hasData || p.pos < p.end) {
		err = io.ErrUnexpectedEOF
	}
	p.err = err
	p.drop()
	return err
}

// Event returns the current event, in strings of its own. Its allocations are one for
// the data, and one for the ID where that has changed.
func (p *Parser) Event() Event {
	return Event{Type: p.Type(), Data: string(p.data), LastEventID: p.LastEventID()}
}

// Type returns the current event's type, "message" where the stream named none.
func (p *Parser) Type() string {
	if p.typ == "" && p.hasData {
		return defaultType
	}
	return p.typ
}

// Data returns the current event's data. The slice is valid until the next call to
// Next or Reset; [Parser.Event] makes a copy.
func (p *Parser) Data() []byte { return p.data }

// LastEventID returns the last event ID in force: that of the current event, or of a
// block without data behind it, at the end of the stream too.
func (p *Parser) LastEventID() string {
	if p.lastIDString != string(p.lastID) {
		p.lastIDString = string(p.lastID)
	}
	return p.lastIDString
}

// setLastEventID puts an ID in force that did not come from the stream.
func (p *Parser) setLastEventID(id string) {
	p.lastID, p.lastIDString = append(p.lastID[:0], id...), id
}

// Retry returns the reconnection time of the last valid retry field, and whether there
// was one. It is the server's value, with no limits to it: zero is possible, and what
// no Duration can hold is the largest one.
func (p *Parser) Retry() (time.Duration, bool) { return p.retry, p.hasRetry }

// Read returns the events of r, a body that is there already. The sequence ends without
// an error at [io.EOF]; any other error, [io.ErrUnexpectedEOF] where r ends inside
// an event included, comes last and with the zero Event. It is single-use: ranging over
// it again goes on where the last range stopped. [NewParser] does the same and more
// without allocating.
func Read(r io.Reader) iter.Seq2[Event, error] {
	p := NewParser(r)
	return func(yield func(Event, error) bool) {
		for {
			switch err := p.Next(); err {
			case nil:
				if !yield(p.Event(), nil) {
					return
				}
			case io.EOF:
				return
			default:
				yield(Event{}, err)
				return
			}
		}
	}
}
