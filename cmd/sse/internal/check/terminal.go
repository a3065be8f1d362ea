package check

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const eraseLine = "\r\x1b[K"

const maxQuoted = 200 // bytes of what a server sent

// safe returns text of a server's without anything that a terminal obeys, and not too long.
func safe(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if b.Len() > maxQuoted {
			b.WriteString("…")
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}
