package recording

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A field is a part of a line, between spaces.
type field struct {
	text   string
	quoted bool
	column int // in bytes, from 1
}

// fields returns the fields of a line and its comment, which a bare # begins. If there is an
// error, column is its place. A field is a bare word, or Go strings that stand without space
// between them: "data: "`{"a":1}`"\n\n" is one field.
func fields(line string) (fs []field, comment string, column int, err error) {
	for rest := line; ; {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" || rest[0] == '#' {
			return fs, clean(strings.TrimPrefix(rest, "#")), 0, nil
		}
		f := field{column: len(line) - len(rest) + 1}
		for rest != "" && (rest[0] == '"' || rest[0] == '`') {
			f.quoted = true
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, "", len(line) - len(rest) + 1, errors.New("the string does not end, or is no Go string")
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, "", len(line) - len(rest) + 1, err
			}
			f.text += text
			rest = rest[len(quoted):]
		}
		if !f.quoted {
			n := strings.IndexAny(rest, " \t")
			if n < 0 {
				n = len(rest)
			}
			f.text, rest = rest[:n], rest[n:]
			if i := strings.IndexFunc(f.text, func(c rune) bool { return c == '"' || c == '`' || c <= ' ' || c >= 0x7f }); i >= 0 {
				return nil, "", f.column + i, errors.New("a word with this character must be quoted")
			}
		}
		if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
			return nil, "", len(line) - len(rest) + 1, fmt.Errorf("want a space, not %q", rest[:1])
		}
		fs = append(fs, f)
	}
}

// appendQuoted appends text as Go strings: each line of it that is easier to read so, such as
// JSON, between backquotes.
func appendQuoted(b []byte, text string) []byte {
	first, pending := true, ""
	flush := func() {
		if pending != "" {
			b, pending, first = strconv.AppendQuote(b, pending), "", false
		}
	}
	for line := range strings.Lines(text) {
		content := strings.TrimRight(line, "\r\n")
		if strings.ContainsAny(content, `"\`) && strconv.CanBackquote(content) {
			flush()
			b, first = append(append(append(b, '`'), content...), '`'), false
			pending = line[len(content):]
		} else {
			pending += line
		}
	}
	flush()
	if first {
		b = append(b, `""`...)
	}
	return b
}

// appendWord appends a word, quoted if it must be.
func appendWord(b []byte, word string) []byte {
	if fs, _, _, err := fields(word); err == nil && len(fs) == 1 && fs[0].text == word {
		return append(b, word...)
	}
	return strconv.AppendQuote(b, word)
}

// clean returns the text of a comment: on one line, and without spaces around it.
func clean(text string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) {
			return ' '
		}
		return c
	}, text))
}
