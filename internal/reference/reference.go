// Package reference is the parsing algorithm of the HTML standard, section 9.2.6, taken
// literally: the whole stream at once, a rune at a time, with no thought for speed or
// limits. It is the oracle for package sse's parser, and shares no code with it.
package reference

import (
	"cmp"
	"math/big"
	"strings"
)

// An Event is what the standard's "dispatch the event" steps make: see sse.Event.
type Event struct{ Type, Data, LastEventID string }

// A Result is what is left of a stream that has ended.
type Result struct {
	Events      []Event
	LastEventID string   // in force
	Retry       *big.Int // milliseconds of the last valid retry field; nil: none
	Comments    []string // each comment line after its colon
	Unknown     []string // each line that is no comment and no field
	Unfinished  *Event   // what the stream's end cut off, as it would have been dispatched; nil: nothing
}

// Parse interprets a connection's stream. LastEventID is the ID in force before it.
func Parse(stream []byte, lastEventID string) Result {
	p := parser{Result: Result{LastEventID: lastEventID}, idBuffer: lastEventID}
	text := decode(stream)
	if len(text) > 0 && text[0] == '\uFEFF' {
		text = text[1:]
	}
	var line []rune
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n':
			i++
			p.line(line)
			line = nil
		case text[i] == '\r', text[i] == '\n':
			p.line(line)
			line = nil
		default:
			line = append(line, text[i])
		}
	}
	// Here the standard discards what is pending. A client reports it, a last line without
	// a line end included, unless it is a comment or a retry field.
	if rest := string(line); !strings.HasPrefix(rest, ":") && rest != "retry" && !strings.HasPrefix(rest, "retry:") && rest != "" {
		p.line(line)
	}
	if p.field {
		data := strings.TrimSuffix(p.dataBuffer, "\n")
		p.Unfinished = &Event{Type: cmp.Or(p.typeBuffer, "message"), Data: data, LastEventID: p.idBuffer}
	}
	return p.Result
}

type parser struct {
	Result
	dataBuffer string
	typeBuffer string
	idBuffer   string
	field      bool // the block has a data, event or id field
}

func (p *parser) line(line []rune) {
	if len(line) == 0 {
		p.dispatch()
		return
	}
	colon := -1
	for i, r := range line {
		if r == ':' {
			colon = i
			break
		}
	}
	switch {
	case colon == 0:
		p.Comments = append(p.Comments, string(line[1:]))
	case colon > 0:
		value := line[colon+1:]
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
		p.process(string(line[:colon]), value, line)
	default:
		p.process(string(line), nil, line)
	}
}

func (p *parser) process(name string, value, line []rune) {
	switch name {
	case "event":
		p.typeBuffer, p.field = string(value), true
	case "data":
		p.dataBuffer, p.field = p.dataBuffer+string(value)+"\n", true
	case "id":
		for _, r := range value {
			if r == 0 {
				return
			}
		}
		p.idBuffer, p.field = string(value), true
	case "retry":
		for _, r := range value {
			if r < '0' || r > '9' {
				return
			}
		}
		if n, ok := new(big.Int).SetString(string(value), 10); ok {
			p.Retry = n
		}
	default:
		p.Unknown = append(p.Unknown, string(line))
	}
}

func (p *parser) dispatch() {
	p.LastEventID = p.idBuffer
	data, typ := p.dataBuffer, p.typeBuffer
	p.dataBuffer, p.typeBuffer, p.field = "", "", false
	if data == "" {
		return
	}
	data = data[:len(data)-1] // its last LF
	if typ == "" {
		typ = "message"
	}
	p.Events = append(p.Events, Event{Type: typ, Data: data, LastEventID: p.LastEventID})
}
