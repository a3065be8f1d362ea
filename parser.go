package sse

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"time"
)

// DefaultMaxEventSize is the limit, in bytes, for one event's data and for any one line, if
// a [Parser] or a [Client] sets no other.
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
	// after its colon, cut to 64 KiB. The text is valid during the call.
	Comment func(text []byte)

	// Unknown, if not nil, is called during Next for each line that is neither a comment
	// nor a field of the standard, cut to 64 KiB: a field of another name, or text that
	// should not be in an event stream, such as a bare JSON error or an HTML page. At a
	// clean end that includes a last line without a line end. The line is valid during
	// the call.
	Unknown func(line []byte)

	in buffer // the stream's bytes, lines, and the block's data

	// The current block, which is the current event once Next has returned it.
	sawTypeOrID bool   // the block has an event or an id field
	typ         string // the value of its event field; "": none
	id          []byte // the value of its last valid id field
	hasID       bool   // there was one

	data  []byte // the current event's data, in the buffer or in fixed
	fixed []byte // the data with U+FFFD in place of malformed bytes

	lastID       []byte        // the ID in force
	lastIDString string        // lastID as a string, unless stale is set
	stale        bool          // lastIDString is to be made anew, when someone asks for it
	retry        time.Duration // the value of the last valid retry field
	hasRetry     bool          // there was one

	keepText bool   // whether text is collected, for an *UnfinishedError
	text     []byte // the unknown lines after the last event, joined by LF; at most maxText bytes

	types    map[string]string // event types seen, so that each is allocated once
	lastType string            // the type of the last event that named one
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
	p.in.reset(r)
}

// drop forgets what is buffered and the current block.
func (p *Parser) drop() {
	p.in.drop()
	p.hasID = false
	p.newBlock()
	p.data, p.text = nil, p.text[:0]
}

func (p *Parser) newBlock() {
	p.in.dropData()
	if p.sawTypeOrID {
		p.sawTypeOrID, p.typ = false, ""
	}
}

// Next advances to the next event, which [Parser.Event] and the other methods then
// return. It blocks until the event's blank line has arrived, and not longer.
//
// At the end of the stream Next returns [io.EOF], or an [*UnfinishedError] if the stream
// ends inside an event. That event is not dispatched: the error has it. An error of the
// reader is returned unchanged, after the events before it. After an error there is no
// current event, and Next keeps returning the same error until Reset.
func (p *Parser) Next() error {
	p.newBlock()
	if cap(p.fixed) > maxBuffer {
		p.fixed, p.data = nil, nil
	}
	limit, b := p.limit(), &p.in
	for {
		for b.blank() {
			if p.endBlock() {
				return p.dispatch(limit)
			}
		}
		start := b.pos
		if b.lf < start {
			b.lf = start + index(b.buf[start:b.end], '\n')
		}
		end := b.lf
		if end < b.cr { // most lines, without a call
			b.pos = end + 1
		} else {
			if start, end = b.line(); end == b.end {
				p.data = nil // the buffer may change
				var err error
				if start, end, err = b.readLine(limit, p.needed()); err != nil {
					return p.stop(err, limit)
				}
			}
			b.consume(end)
		}
		switch line := b.buf[start:end]; {
		case len(line) >= len(dataField) && string(line[:len(dataField)]) == dataField:
			if !b.addData(start, start+len(dataField), end, limit) {
				return p.stop(ErrEventTooLarge, limit)
			}
		case len(line) == 0:
			if p.endBlock() {
				return p.dispatch(limit)
			}
		case line[0] == ':' && p.Comment == nil:
		default:
			if !p.field(start, end, limit) {
				return p.stop(ErrEventTooLarge, limit)
			}
		}
	}
}

// needed returns what the hooks need of the lines that are not stored.
func (p *Parser) needed() needed {
	n := needed{minKeep, minKeep}
	if p.Comment != nil {
		n.comment = len(":") + maxComment + 1
	}
	switch {
	case p.Unknown != nil:
		n.unknown = maxComment + 1
	case p.keepText:
		n.unknown = maxText + 1
	}
	return n
}

func (p *Parser) limit() int {
	if p.MaxEventSize > 0 {
		return p.MaxEventSize
	}
	return DefaultMaxEventSize
}

// endBlock ends a block and reports whether it is an event, which is then to be
// dispatched.
func (p *Parser) endBlock() bool {
	if p.in.hasData {
		return true
	}
	if p.hasID {
		p.commitID()
	}
	p.newBlock()
	return false
}

// dispatch makes the block the current event. Its ID counts only if the event is not too
// large: otherwise the server is to send it again.
func (p *Parser) dispatch(limit int) error {
	if err := p.setData(limit); err != nil {
		return p.stop(err, limit)
	}
	if p.hasID {
		p.commitID()
	}
	if len(p.text) > 0 {
		p.text = p.text[:0]
	}
	return nil
}

// setData sets data to the block's, with U+FFFD in place of what is malformed.
func (p *Parser) setData(limit int) error {
	p.data = p.in.buf[p.in.from:p.in.to:p.in.to]
	if !p.in.malformed || isValidUTF8(p.data) {
		return nil
	}
	if len(p.data)+growth(p.data) > limit {
		return ErrEventTooLarge
	}
	p.fixed = appendValidUTF8(p.fixed[:0], p.data)
	p.data = p.fixed
	return nil
}

// commitID puts the block's ID in force. It costs as much as the ID's line did, and an
// event without an ID costs nothing, whatever the size of the one in force.
func (p *Parser) commitID() {
	p.hasID = false
	if !bytes.Equal(p.id, p.lastID) {
		p.id, p.lastID = p.lastID, p.id
		p.stale = true
	}
	if cap(p.id) > maxBuffer {
		p.id = nil
	}
}

// stop ends the stream with err.
func (p *Parser) stop(err error, limit int) error {
	if err == io.EOF {
		err = p.unfinished(limit)
	}
	p.in.err = err
	p.drop()
	return err
}

// unfinished returns the error of a clean end: io.EOF, or what the end cut off. A last
// line without a line end counts if it belongs to an event or is text: half a comment
// or half a retry value does not.
func (p *Parser) unfinished(limit int) error {
	if p.in.pos < p.in.end {
		limit = max(limit, len(dataField)) // a field's bare name is never too large
		p.in.makeRoom()
		start, end := p.in.pos, p.in.end
		p.in.buf[end] = '\n' // which addData may look at
		if p.in.checked < end {
			p.in.maybeInvalidBefore = end // it ends in half a rune
		}
		switch name, _ := splitField(p.in.buf[start:end]); string(name) {
		case "", "retry":
		case "data":
			if !p.in.addData(start, min(start+len(dataField), end), end, limit) {
				return ErrEventTooLarge
			}
		default:
			if !p.field(start, end, limit) {
				return ErrEventTooLarge
			}
		}
	}
	inBlock := p.sawTypeOrID || p.in.hasData
	if !inBlock && len(p.text) == 0 {
		return io.EOF
	}
	e := &UnfinishedError{Text: string(p.text)}
	if inBlock {
		e.Event = Event{Type: p.typ, LastEventID: p.LastEventID()}
		if e.Event.Type == "" {
			e.Event.Type = defaultType
		}
		if p.in.hasData {
			if err := p.setData(limit); err != nil {
				return err
			}
			e.Event.Data = string(p.data)
		}
		if p.hasID {
			e.Event.LastEventID = string(p.id)
		}
	}
	return e
}

// Event returns the current event, as strings that stay valid. It allocates once for the
// data, and once more if the ID has changed.
func (p *Parser) Event() Event {
	return Event{Type: p.Type(), Data: string(p.data), LastEventID: p.LastEventID()}
}

// Type returns the current event's type, or "message" if the stream named no type.
func (p *Parser) Type() string {
	if p.typ == "" && p.in.hasData {
		return defaultType
	}
	return p.typ
}

// Data returns the current event's data. The slice is valid until the next call to
// Next or Reset; [Parser.Event] makes a copy.
func (p *Parser) Data() []byte { return p.data }

// LastEventID returns the last event ID in force: that of the current event, or of a block
// without data after it. It is also available at the end of the stream.
func (p *Parser) LastEventID() string {
	if p.stale {
		p.lastIDString, p.stale = string(p.lastID), false
	}
	return p.lastIDString
}

// setLastEventID puts in force an ID that did not come from the stream.
func (p *Parser) setLastEventID(id string) {
	p.lastID, p.lastIDString, p.stale = append(p.lastID[:0], id...), id, false
}

// Retry returns the reconnection time of the last valid retry field, and whether there
// was one. The value is the server's, without limits: it may be zero, and a number that no
// Duration can represent becomes the largest one.
func (p *Parser) Retry() (time.Duration, bool) { return p.retry, p.hasRetry }

// Read returns the events in r, a response body that you already have. The sequence ends
// without an error at [io.EOF]. Any other error comes last and with the zero Event,
// including an [*UnfinishedError] if r ends inside an event. The sequence is single-use:
// ranging over it again continues where the last range stopped. [NewParser] does the same
// and more without allocating.
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
