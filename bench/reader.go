package bench

import (
	"errors"
	"io"
	"time"
)

// memory reads a stream that is in memory, so many times over, at most piece bytes at
// once where that is not 0. It has no other methods than Read, as a response's body has none.
type memory struct {
	stream []byte
	times  int
	piece  int
	rest   []byte
}

func (m *memory) Read(b []byte) (int, error) {
	if len(m.rest) == 0 {
		if m.times == 0 {
			return 0, io.EOF
		}
		m.times--
		m.rest = m.stream
	}
	if m.piece > 0 {
		b = b[:min(len(b), m.piece)]
	}
	n := copy(b, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

var errSlow = errors.New("not done in time")

// deadline fails once its time is over, so that nobody who takes quadratic time holds up a run.
type deadline struct {
	r   io.Reader
	end time.Time
}

func (d *deadline) Read(b []byte) (int, error) {
	if time.Now().After(d.end) {
		return 0, errSlow
	}
	return d.r.Read(b)
}
