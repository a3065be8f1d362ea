package record

import (
	"bytes"
	"regexp"
	"time"
	"unicode"
)

const maxPatternLine = 64 << 10 // bytes of a line that a pattern sees at once

// A piece is what came of a body at a time.
type piece struct {
	at   time.Time
	data []byte
}

// A masker hides what is not to be recorded in the pieces of a body, also where pieces cut
// it. A byte stays a byte, so that pieces and lengths stay what they were. A piece whose end
// may be the beginning of something to hide is held back until what follows has come.
type masker struct {
	secrets  func() [][]byte
	patterns []*regexp.Regexp
	blind    bool // nobody can see what is in the bytes: all are hidden

	pieces  []piece // held back
	buf     []byte  // their bytes
	hide    []byte  // what to put in place of each; 0: as it is
	matched int     // of them, those in lines that the patterns have seen
}

// add takes a piece, and returns those that no later piece can change.
func (m *masker) add(p piece) []piece {
	m.pieces = append(m.pieces, p)
	m.buf = append(m.buf, p.data...)
	hide := make([]byte, len(p.data))
	if m.blind {
		hide = bytes.Repeat([]byte{'*'}, len(p.data))
	}
	m.hide = append(m.hide, hide...)
	return m.release(min(m.hideSecrets(), m.hidePatterns(false)))
}

// flush returns what was held back.
func (m *masker) flush() []piece {
	m.hideSecrets()
	m.hidePatterns(true)
	return m.release(len(m.buf))
}

// release returns the pieces that end before an offset.
func (m *masker) release(safe int) (done []piece) {
	offset := 0
	for len(m.pieces) > 0 && offset+len(m.pieces[0].data) <= safe {
		p := m.pieces[0]
		p.data = bytes.Clone(m.buf[offset : offset+len(p.data)])
		for i := range p.data {
			if b := m.hide[offset+i]; b != 0 {
				p.data[i] = b
			}
		}
		offset += len(p.data)
		done, m.pieces = append(done, p), m.pieces[1:]
	}
	m.buf = append(m.buf[:0], m.buf[offset:]...)
	m.hide = append(m.hide[:0], m.hide[offset:]...)
	m.matched = max(0, m.matched-offset)
	return done
}

// hideSecrets hides the secrets that are complete, and returns where the first one may begin
// that is not.
func (m *masker) hideSecrets() (safe int) {
	safe = len(m.buf)
	for _, s := range m.secrets() {
		for from := 0; ; {
			i := bytes.Index(m.buf[from:], s)
			if i < 0 {
				break
			}
			from += i
			copy(m.hide[from:], bytes.Repeat([]byte{'*'}, len(s)))
			from++
		}
		for n := min(len(s)-1, len(m.buf)); n > len(m.buf)-safe; n-- {
			if m.buf[len(m.buf)-n] == s[0] && bytes.HasSuffix(m.buf, s[:n]) {
				safe = len(m.buf) - n
			}
		}
	}
	return safe
}

// hidePatterns hides what the patterns match in each line, and returns where the line begins
// that has not ended. A line that is too long is looked at in parts.
func (m *masker) hidePatterns(last bool) (safe int) {
	if len(m.patterns) == 0 {
		return len(m.buf)
	}
	for m.matched < len(m.buf) {
		line := m.buf[m.matched:]
		n := bytes.IndexAny(line, "\r\n")
		if n >= 0 {
			line = line[:n]
			n++
		} else {
			n = len(line)
			if n < maxPatternLine && !last {
				break
			}
		}
		hidePatterns(m.patterns, line, m.hide[m.matched:])
		m.matched += n
	}
	return m.matched
}

// submatch returns the place of a pattern's first group, or of all that it matches.
func submatch(match []int) (from, to int) {
	if len(match) >= 4 && match[2] >= 0 {
		return match[2], match[3]
	}
	return match[0], match[1]
}

// anonymous returns what stands in place of a character of volatile text, which keeps its
// form: a time stays a time.
func anonymous(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return '0'
	case b >= 0x80 || unicode.IsLetter(rune(b)):
		return 'x'
	}
	return b
}
