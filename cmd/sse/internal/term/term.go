// Package term writes to a terminal what may come from anyone.
//
// A terminal obeys the control characters in what it shows: they clear the screen, set its
// title, read and write the clipboard, or hide text. A [Writer] passes printable text, tabs
// and line ends, and shows everything else escaped, whoever printed it and wherever it came
// from. Only what this program marks as its own (see [Writer.Paint], [Writer.Control] and
// [Writer.Own]) is passed as it is.
package term

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// mark stands before each control character that is this program's own. It is made anew
// for each run and never leaves the process, so that nobody else can write it.
var mark = "\x00" + rand.Text() + "\x00"

// A Writer is standard output or standard error. If that is no terminal, it gets what is
// written as it is. A Writer is safe for use by several goroutines.
type Writer struct {
	w        io.Writer
	terminal bool
	colors   bool

	mu   sync.Mutex
	rest []byte // a CR, the beginning of a rune or of a mark: what follows is still to come
}

// New returns the Writer for a file.
func New(f *os.File) *Writer { return NewWriter(f, isTerminal(f), wantsColors()) }

// NewWriter returns a Writer for w, which is a terminal or not. Only a terminal shows
// colours, if they are wanted.
func NewWriter(w io.Writer, terminal, colors bool) *Writer {
	return &Writer{w: w, terminal: terminal, colors: terminal && colors}
}

// isTerminal reports whether f is a terminal, or at least a device.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// wantsColors reports whether the environment leaves colours on (no-color.org).
func wantsColors() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// IsTerminal reports whether the Writer writes to a terminal.
func (w *Writer) IsTerminal() bool { return w.terminal }

// A Color is a parameter of Select Graphic Rendition, as every terminal knows it.
type Color string

// The colours that this program uses.
const (
	Faint  Color = "2"
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
	Cyan   Color = "36"
)

// Paint returns text in a colour, if the Writer shows any. The text is not trusted: what it
// has of control characters is still escaped when it is written.
func (w *Writer) Paint(c Color, text string) string {
	if !w.colors {
		return text
	}
	return w.Own("\x1b["+string(c)+"m") + text + w.Own("\x1b[0m")
}

// Own returns text whose control characters are written as they are: it is this program's,
// or its user's.
func (w *Writer) Own(text string) string {
	if !w.terminal {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			b.WriteString(mark)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Write writes p in one piece. Of its return values, the number is that of p: all or none.
func (w *Writer) Write(p []byte) (int, error) {
	if !w.terminal {
		return w.w.Write(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(p), w.put(p, false)
}

// Flush writes what an earlier Write has held back. It is for the end of the program, where
// an error helps nobody.
func (w *Writer) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		_ = w.put(nil, true)
	}
}

func (w *Writer) put(p []byte, end bool) error {
	text := slices.Concat(w.rest, p)
	out, rest := w.appendVisible(make([]byte, 0, len(text)), text, end)
	w.rest = rest
	_, err := w.w.Write(out)
	return err
}

// appendVisible appends text as a terminal may have it. It returns the end of the text that
// needs what follows, unless there is nothing to follow.
func (w *Writer) appendVisible(b, text []byte, end bool) (visible, rest []byte) {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case isPrintable(r) && (r != utf8.RuneError || size > 1):
			b = append(b, text[:size]...)
		case r == 0 && !end && len(text) <= len(mark) && strings.HasPrefix(mark, string(text)):
			return b, text // a mark, or what it stands before, is still to come
		case r == 0 && bytes.HasPrefix(text, []byte(mark)):
			text = text[len(mark):]
			_, size = utf8.DecodeRune(text)
			b = append(b, text[:size]...)
		case !end && !utf8.FullRune(text), !end && len(text) == 1 && r == '\r':
			return b, text
		case bytes.HasPrefix(text, []byte("\r\n")):
			size = 2
			b = append(b, "\r\n"...)
		default:
			b = append(b, w.reverse(escape(r, text[:size]))...)
		}
		text = text[size:]
	}
	return b, nil
}

// reverse sets what is escaped off from text that only looks like it.
func (w *Writer) reverse(text string) string {
	if !w.colors {
		return text
	}
	return "\x1b[7m" + text + "\x1b[27m"
}

// isPrintable reports whether r may go to a terminal. Not so are control characters (C0,
// DEL and C1), format characters such as those that turn the direction of text round, line
// and paragraph separators, and what has no meaning in public.
func isPrintable(r rune) bool {
	return r == '\n' || r == '\t' || unicode.IsGraphic(r)
}

// escape returns the form in which Go writes a character, or a byte that is part of none.
func escape(r rune, encoded []byte) string {
	switch {
	case r == utf8.RuneError && len(encoded) == 1, r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, encoded[0])
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// Visible returns text as a Writer without colours writes it to a terminal: the form to
// measure, or to cut.
func Visible(text string) string {
	b, _ := new(Writer).appendVisible(nil, []byte(text), true)
	return string(b)
}

// Width returns how many columns visible text takes at most.
func Width(visible string) (columns int) {
	for _, r := range visible {
		columns += width(r)
	}
	return columns
}

// Clip returns the beginning of visible text that takes at most that many columns.
func Clip(visible string, columns int) string {
	if Width(visible) <= columns {
		return visible
	}
	for i, r := range visible {
		if columns -= width(r); columns < 1 {
			return visible[:i] + "…"
		}
	}
	return ""
}

// width returns 2 for all scripts that have wide characters, which is too much for a few.
func width(r rune) int {
	if r >= 0x1100 {
		if r >= 0x2000 && r < 0x2300 { // punctuation, arrows, mathematics
			return 1
		}
		return 2
	}
	return 1
}
