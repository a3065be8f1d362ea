package recording

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// What a file may have at most. A server decides what is recorded.
const (
	maxLine = 16 << 20  // bytes
	maxSize = 256 << 20 // bytes
	maxStep = 4 << 20   // steps
)

const magic = "sse-recording"

// A SyntaxError is a line that is not as the format has it.
type SyntaxError struct {
	Line   int // from 1
	Column int // in bytes, from 1
	Err    error
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("recording: line %d, column %d: %v", e.Line, e.Column, e.Err)
}

// Unwrap returns Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// ReadFile reads the recording in a file.
func ReadFile(name string) (*Recording, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// Read reads a recording. A last line without a line end that is no step is what a crash has
// left of one: it is left out, and Truncated is set. Any other line that the format does not
// allow is a [*SyntaxError]. A line is limited to 16 MiB, a file to 256 MiB and 4 Mi steps.
func Read(r io.Reader) (*Recording, error) { return read(r, maxLine, maxSize, maxStep) }

func read(r io.Reader, maxLine, maxSize, maxStep int) (*Recording, error) {
	p := parser{rec: new(Recording), maxStep: maxStep}
	limited := &io.LimitedReader{R: r, N: int64(maxSize) + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxLine)
	ended := true // the line has a line end
	lines.Split(func(data []byte, atEOF bool) (advance int, token []byte, err error) {
		ended = bytes.IndexByte(data, '\n') >= 0
		return bufio.ScanLines(data, atEOF)
	})
	number := 0
	for lines.Scan() {
		number++
		column, err := p.line(number == 1, lines.Text())
		switch {
		case err == nil:
		case !ended && number > 1 && limited.N > 0:
			p.rec.Truncated = true
		default:
			return nil, &SyntaxError{number, column, err}
		}
	}
	switch err := lines.Err(); {
	case err == bufio.ErrTooLong:
		return nil, &SyntaxError{number + 1, 1, fmt.Errorf("the line is longer than %d bytes", maxLine)}
	case err != nil:
		return nil, err
	case limited.N <= 0:
		return nil, fmt.Errorf("recording: more than %d bytes", maxSize)
	case number == 0:
		return nil, errors.New("recording: the file is empty")
	}
	return p.rec, nil
}

// A parser makes steps of lines.
type parser struct {
	rec     *Recording
	maxStep int
	order   order
	at      time.Duration // of the last step
	conn    int           // the latest connection
}

// line adds what a line says to the recording, or returns the column of an error.
func (p *parser) line(first bool, line string) (column int, err error) {
	fs, comment, column, err := fields(line)
	if err != nil {
		return column, err
	}
	if first {
		return p.head(fs)
	}
	if len(fs) == 0 {
		return 0, nil
	}
	args := &arguments{fields: fs, end: len(line) + 1}
	step, err := p.step(args)
	if err != nil {
		return args.column, err
	}
	if len(args.fields) > 0 {
		return args.fields[0].column, fmt.Errorf("nothing may follow in a line with %q", step.Kind)
	}
	if len(p.rec.Steps) == p.maxStep {
		return 1, fmt.Errorf("more than %d steps", p.maxStep)
	}
	if err := p.order.check(&step); err != nil {
		return args.kind, err
	}
	step.Comment = comment
	p.at = step.At
	p.rec.Steps = append(p.rec.Steps, step)
	return 0, nil
}

// head reads the first line.
func (p *parser) head(fs []field) (column int, err error) {
	if len(fs) < 2 || fs[0].text != magic {
		return 1, fmt.Errorf("want %q, the first line of a recording", magic+" 1")
	}
	if fs[1].text != "1" {
		return fs[1].column, fmt.Errorf("version %q of the format is not known", fs[1].text)
	}
	if len(fs) > 2 {
		p.rec.Start, err = time.Parse(time.RFC3339Nano, fs[2].text)
		if err != nil {
			return fs[2].column, fmt.Errorf("want the time of the start as in RFC 3339, not %q", fs[2].text)
		}
	}
	if len(fs) > 3 {
		return fs[3].column, errors.New("the first line has nothing after this")
	}
	return 0, nil
}

// arguments are the fields of a line that are still to be read.
type arguments struct {
	fields []field
	column int // of what was read last, for errors
	kind   int // the column of the kind
	end    int // the column after the line
}

// next takes the next field. Without one it is an error that wants what.
func (a *arguments) next(what string) (field, error) {
	if len(a.fields) == 0 {
		a.column = a.end
		return field{}, fmt.Errorf("want %s", what)
	}
	f := a.fields[0]
	a.fields, a.column = a.fields[1:], f.column
	return f, nil
}

// optional takes the text of the next field, "" if there is none.
func (a *arguments) optional() string {
	if len(a.fields) == 0 {
		return ""
	}
	f, _ := a.next("")
	return f.text
}

func (p *parser) step(a *arguments) (Step, error) {
	var s Step
	f, _ := a.next("")
	var err error
	if s.At, err = p.time(f.text); err != nil {
		return s, err
	}
	if f, err = a.next("the kind of a step"); err != nil {
		return s, err
	}
	numbered := f.text != "" && strings.Trim(f.text, "0123456789") == ""
	if numbered {
		if s.Conn, err = strconv.Atoi(f.text); err != nil {
			return s, fmt.Errorf("connection %s is too large a number", f.text)
		}
		if f, err = a.next("the kind of a step"); err != nil {
			return s, err
		}
	}
	s.Kind, a.kind = Kind(f.text), f.column
	if s.Kind == Connect {
		if !numbered {
			s.Conn = p.conn + 1
		}
		p.conn = s.Conn
	} else if !numbered {
		s.Conn = p.conn
	}
	return s, p.arguments(&s, a)
}

// arguments reads what follows the kind of a step.
func (p *parser) arguments(s *Step, a *arguments) error {
	take := func(to *string, what string) error {
		f, err := a.next(what)
		*to = f.text
		return err
	}
	switch s.Kind {
	case Connect:
		s.Name, s.Value = a.optional(), a.optional()
	case Header:
		if err := take(&s.Name, "the name of a header field"); err != nil {
			return err
		}
		return take(&s.Value, "the value of the header field")
	case Body, Bytes:
		return take(&s.Value, "bytes, as a Go string")
	case Status:
		f, err := a.next("a status")
		if err != nil {
			return err
		}
		if s.Code, err = strconv.Atoi(f.text); err != nil || len(f.text) != len("200") {
			return fmt.Errorf("%q is no status between 200 and 999", f.text)
		}
		s.Framing = Framing(a.optional())
	case Event:
		if err := take(&s.Name, "the type of the event"); err != nil {
			return err
		}
		if err := take(&s.Value, "the data of the event"); err != nil {
			return err
		}
		if len(a.fields) > 0 && a.fields[0].text == "id" {
			a.optional()
			return take(&s.ID, "the ID of the event")
		}
	case End, Drop, Wait:
	default:
		return fmt.Errorf("%q is no kind of step", s.Kind)
	}
	return nil
}

// time reads the time of a step: since the start, or with + since the step before it.
func (p *parser) time(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("want a time such as 1.5s or +20ms, not %q", text)
	}
	if text[0] == '+' {
		if d += p.at; d < p.at {
			return 0, fmt.Errorf("%s is too long", text)
		}
	}
	return d, nil
}
