package recording

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// A phase is how far a connection has come.
type phase uint8

const (
	requested phase = iota + 1 // its request's header and body may follow
	answered                   // it has a status: the response's header may follow
	sending                    // it has a part of the response's body
	over
)

// An order checks that steps follow one another as they must. Reader and Writer share it, so
// that whatever is written can be read.
type order struct {
	last   time.Duration
	conns  []phase // by their numbers, from 1
	bodily []bool  // whether the response may have a body
}

func (o *order) check(s *Step) error {
	if s.At < o.last {
		return fmt.Errorf("the time is before %s, that of the step before it", o.last)
	}
	if s.Kind == Connect {
		if s.Conn != len(o.conns)+1 {
			return fmt.Errorf("connection %d begins where connection %d should", s.Conn, len(o.conns)+1)
		}
		if !isToken(s.Name) && s.Name+s.Value != "" {
			return fmt.Errorf("%q is no method", s.Name)
		}
		o.conns, o.bodily = append(o.conns, requested), append(o.bodily, true)
		o.last = s.At
		return nil
	}
	if s.Conn < 1 || s.Conn > len(o.conns) {
		return fmt.Errorf("connection %d has not begun", s.Conn)
	}
	p := &o.conns[s.Conn-1]
	if *p == over {
		return fmt.Errorf("connection %d is over", s.Conn)
	}
	next, err := *p, error(nil)
	switch s.Kind {
	case Header:
		switch {
		case *p == sending:
			err = errors.New("the response's header is over")
		case !isToken(s.Name):
			err = fmt.Errorf("%q is no name of a header field", s.Name)
		}
	case Body:
		if *p != requested {
			err = errors.New("the request is over")
		}
	case Status:
		next, o.bodily[s.Conn-1] = answered, hasBody(s.Code)
		switch {
		case *p != requested:
			err = errors.New("the response has a status already")
		case s.Code < 200 || s.Code > 999:
			err = fmt.Errorf("%d is no status between 200 and 999", s.Code)
		default:
			err = checkFraming(s.Framing)
		}
	case Bytes, Event:
		next = sending
		if !o.bodily[s.Conn-1] {
			err = errors.New("a response of this status has no body")
		} else if s.Kind == Event {
			_, err = s.event().AppendText(nil)
		}
	case End, Drop, Wait:
		next = over
	default:
		err = fmt.Errorf("%q is no kind of step", s.Kind)
	}
	if err == nil {
		*p, o.last = next, s.At
	}
	return err
}

func checkFraming(f Framing) error {
	switch f {
	case "", Chunked, Length, Close, HTTP2:
		return nil
	}
	return fmt.Errorf("%q is no framing: chunked, length, close or HTTP/2", f)
}

func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2: a method, a name.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
