package check

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/check/wire"
)

var wireIDs = []string{"unframed", "unknown-field", "invalid-utf8", "cr-in-data", "nul-id", "bom", "unfinished-event", "event-size", "retry"}

const (
	size4K  = 4 << 10
	size64K = 64 << 10
	size1M  = 1 << 20

	minRetry = 10 * time.Millisecond // as ssetest.TestHandler has it
	maxRetry = time.Hour
)

// checkFile checks the bytes of a file.
func (c *checker) checkFile() error {
	in := os.Stdin
	c.report.Target = c.file
	if c.file != "-" {
		f, err := os.Open(c.file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	scan := wire.NewScanner(seed)
	if _, err := io.Copy(scan, in); err != nil {
		return err
	}
	scan.Close()
	if scan.Size == 0 {
		return errors.New("the file is empty")
	}
	c.report.fact("stream", "%d events, %d lines, %d bytes", scan.Count, scan.Lines, scan.Size)
	c.checkWire(nil, scan)
	c.checkIDs(scan)
	c.report.unverified("a file has no connection", ids...)
	return nil
}

// checkWire judges the bytes of a stream, or of a file.
func (c *checker) checkWire(s *stream, scan *wire.Scanner) {
	r := c.report
	switch {
	case scan != nil:
	case !s.open() || !s.readable:
		r.unverified(noStream, wireIDs...)
		return
	case s.Size == 0:
		r.unverified("no byte of the stream came while it was watched", wireIDs...)
		return
	default:
		scan = s.scan
	}
	places(r, scan, wire.BOM, "bom", Risk, "The first three bytes are EF BB BF")
	places(r, scan, wire.Unframed, "unframed", Problem, "%d lines")
	places(r, scan, wire.UnknownField, "unknown-field", Problem, "%d lines have the name of no field")
	places(r, scan, wire.InvalidUTF8, "invalid-utf8", Problem, "%d lines")
	places(r, scan, wire.CRInData, "cr-in-data", Problem, "%d lines end with CR, and the others do not")
	places(r, scan, wire.NULInID, "nul-id", Problem, "%d IDs")
	places(r, scan, wire.LongID, "no-resume", Problem, "%d IDs that no Last-Event-ID header can carry (at most 8 KiB, no control characters)")
	places(r, scan, wire.Retry, "retry", Problem, "%d retry fields that are no number in digits")
	checkRetry(r, scan)
	checkSize(r, scan)
	if scan.Unfinished != "" && !(c.as == "llm" && isSentinel(scan.Unfinished)) {
		r.find("unfinished-event", Problem, fmt.Sprintf("It ends without the blank line after: %s", safe(scan.Unfinished)))
	}
	switch {
	case scan.Ended && c.as != "llm": // where the answer's end counts
		r.pass("unfinished-event")
	default:
		r.unverified("the stream did not end while it was watched", "unfinished-event")
	}
	if scan.Fault(wire.Retry) == nil && len(scan.Retries) == 0 {
		r.unverified("no retry field came", "retry")
	}
	if !scan.HasID {
		r.unverified("no id field came", "nul-id")
	}
	r.pass(wireIDs...)
}

// places reports a fault with the lines and offsets where it was seen. The format may have
// a %d for their number.
func places(r *Report, scan *wire.Scanner, fault, id string, level Level, format string) {
	f := scan.Fault(fault)
	if f == nil {
		return
	}
	text := format
	if strings.Contains(format, "%d") {
		text = fmt.Sprintf(format, f.Count)
		if f.Count == 1 {
			text = singular.Replace(text)
		}
	}
	var where []string
	for _, p := range f.Places {
		if p.Offset == 0 && p.Text == "" {
			continue // the text says where
		}
		w := fmt.Sprintf("line %d, byte %d", p.Line, p.Offset)
		if p.Text != "" {
			w += ": " + safe(p.Text)
		}
		where = append(where, w)
	}
	if f.Count > len(f.Places) {
		where = append(where, fmt.Sprintf("and %d more", f.Count-len(f.Places)))
	}
	finding := r.find(id, level, text+".")
	finding.Evidence = append(finding.Evidence, where...)
	if fault == wire.LongID {
		finding.Cause = "The ID is too long, or has control characters. Clients cannot send it back; servers reject such a header."
	}
}

var singular = strings.NewReplacer("1 lines have", "1 line has", "1 lines end with CR, and the others do", "1 line ends with CR, and the others do", "1 lines", "1 line", "1 IDs", "1 ID", "1 retry fields that are", "1 retry field that is")

func checkRetry(r *Report, scan *wire.Scanner) {
	for _, value := range scan.Retries {
		ms, err := strconv.ParseUint(value, 10, 31)
		d := time.Duration(ms) * time.Millisecond
		switch {
		case err != nil && !errors.Is(err, strconv.ErrRange):
		case err != nil || d > maxRetry:
			r.find("retry", Problem, fmt.Sprintf("retry: %s keeps clients away for longer than %s.", safe(value), seconds(maxRetry)))
		case d < minRetry:
			r.find("retry", Problem, fmt.Sprintf("retry: %s makes clients reconnect in less than %s.", safe(value), seconds(minRetry)))
		}
	}
}

func checkSize(r *Report, scan *wire.Scanner) {
	e := scan.Largest
	text := fmt.Sprintf("The largest of %d events, at line %d, has %d bytes", scan.Count, e.Line, e.Size)
	switch {
	case e.Size >= size1M:
		r.find("event-size", Risk, text+": over 1 MiB, which fails in many clients.")
	case e.Size >= size64K:
		r.find("event-size", Risk, text+": over 64 KiB, the default limit of a line in clients on Go's bufio.Scanner.")
	case e.Size >= size4K:
		r.find("event-size", Note, text+": over 4 KiB, the limit of some embedded clients.")
	}
}

// checkIDs judges whether events can be resumed after.
func (c *checker) checkIDs(scan *wire.Scanner) {
	r := c.report
	switch {
	case scan.Count == 0:
		r.unverified("no event came while it was watched", "no-ids")
	case scan.HasID:
		r.pass("no-ids")
	default:
		r.find("no-ids", Risk, fmt.Sprintf("None of %d events has an ID: what is sent while a client reconnects is lost to it.", scan.Count))
	}
}
