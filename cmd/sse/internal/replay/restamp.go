package replay

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/lastevent/sse/internal/recording"
)

// around is how far from the recording a time may be that belongs to it.
const around = 24 * time.Hour

// Restamp moves the times in a recording, as if it had begun at another time, by whole
// seconds. A time is one of RFC 3339, with a zone, or a count of seconds, milliseconds or
// microseconds since 1970, of 10, 13 or 16 digits that are part of no word and no longer
// number; in a header, also an HTTP date. Only times within a day of the recording are moved,
// which leaves birthdays, prices and the like. Lengths do not change.
func Restamp(r *recording.Recording, start time.Time) error {
	if r.Start.IsZero() {
		return errors.New("the recording does not say when it began")
	}
	s := stamper{by: start.Sub(r.Start).Round(time.Second), from: r.Start.Add(-around), to: r.Start.Add(around)}
	if n := len(r.Steps); n > 0 {
		s.to = s.to.Add(r.Steps[n-1].At)
	}
	r.Start = r.Start.Add(s.by)
	bodies := make(map[int][]byte) // by connection: a time may be in two pieces
	for i := range r.Steps {
		step := &r.Steps[i]
		switch step.Kind {
		case recording.Bytes, recording.Event:
			bodies[step.Conn] = append(bodies[step.Conn], step.Data()...)
		case recording.Connect, recording.Body:
			step.Value = s.text(step.Value)
		case recording.Header:
			if t, err := http.ParseTime(step.Value); err == nil && s.covers(t) {
				step.Value = t.Add(s.by).UTC().Format(http.TimeFormat)
			} else {
				step.Value = s.text(step.Value)
			}
		}
	}
	for _, body := range bodies {
		s.move(body)
	}
	for i := range r.Steps {
		step := &r.Steps[i]
		if step.Kind != recording.Bytes && step.Kind != recording.Event {
			continue
		}
		n := len(step.Data())
		step.Kind, step.Name, step.ID = recording.Bytes, "", ""
		step.Value, bodies[step.Conn] = string(bodies[step.Conn][:n]), bodies[step.Conn][n:]
	}
	return nil
}

// A stamper moves the times between two by a duration of whole seconds.
type stamper struct {
	by       time.Duration
	from, to time.Time
}

func (s *stamper) covers(t time.Time) bool { return t.After(s.from) && t.Before(s.to) }

func (s *stamper) text(text string) string {
	b := []byte(text)
	s.move(b)
	return string(b)
}

var (
	dateTime = regexp.MustCompile(`\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)`)
	digits   = regexp.MustCompile(`\d+`)
)

// move moves the times in b.
func (s *stamper) move(b []byte) {
	for _, at := range dateTime.FindAllIndex(b, -1) {
		s.moveDate(b[at[0]:at[1]])
	}
	for _, at := range digits.FindAllIndex(b, -1) {
		if !isNumber(b, at[0], at[1]) {
			continue
		}
		text := b[at[0]:at[1]]
		unit, ok := units[len(text)]
		n, err := strconv.ParseInt(string(text), 10, 64)
		if !ok || err != nil || !s.covers(unit.time(n)) {
			continue
		}
		if moved := strconv.FormatInt(n+int64(s.by/unit.size), 10); len(moved) == len(text) {
			copy(text, moved)
		}
	}
}

// units are what counts of time are made of, by their number of digits.
var units = map[int]struct {
	size time.Duration
	time func(n int64) time.Time
}{
	10: {time.Second, func(n int64) time.Time { return time.Unix(n, 0) }},
	13: {time.Millisecond, time.UnixMilli},
	16: {time.Microsecond, time.UnixMicro},
}

// isNumber reports whether digits stand by themselves: not in a word, after a point or after
// a minus. What follows may be a fraction, or the rest of an ID.
func isNumber(b []byte, from, to int) bool {
	isWord := func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
	}
	if from > 0 && (isWord(b[from-1]) || b[from-1] == '.' || b[from-1] == '-') {
		return false
	}
	return to == len(b) || !isWord(b[to])
}

const dateLayout = "2006-01-02T15:04:05"

// moveDate moves a time of RFC 3339, in its own zone.
func (s *stamper) moveDate(text []byte) {
	upper := []byte(string(text))
	upper[len("2006-01-02")] = 'T'
	if last := len(upper) - 1; upper[last] == 'z' {
		upper[last] = 'Z'
	}
	t, err := time.Parse(time.RFC3339, string(upper))
	if err != nil || !s.covers(t) {
		return
	}
	moved := t.Add(s.by).Format(dateLayout)
	copy(text, moved[:len("2006-01-02")])
	copy(text[len("2006-01-02T"):], moved[len("2006-01-02T"):])
}
