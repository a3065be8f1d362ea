package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Visible returns text as a terminal, and a page, may have it. Printable characters stay, and all
// others are written as escapes of Go: a terminal obeys control characters, and characters that turn
// the direction of text around make it read as something else. A line end is no exception.
func Visible(text string) string {
	if !strings.ContainsFunc(text, isHidden) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case isHidden(r):
			b.WriteString(strings.Trim(strconv.QuoteToASCII(string(r)), `"`))
		default:
			b.WriteRune(r)
		}
		text = text[size:]
	}
	return b.String()
}

func isHidden(r rune) bool { return !unicode.IsGraphic(r) }

// Clip returns at most n characters of visible text.
func Clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n-1, 0)]) + "…"
}

// Time returns d with three digits, in the unit that suits it.
func Time(d time.Duration) string {
	switch s := d.Seconds(); {
	case d == 0:
		return "0"
	case s < 0:
		return "-" + Time(-d)
	case s < 0.9995e-6:
		return fmt.Sprintf("%d"+nbsp+"ns", d)
	case s < 0.9995e-3:
		return digits(s*1e6) + nbsp + "µs"
	case s < 0.9995:
		return digits(s*1e3) + nbsp + "ms"
	case s < 99.95:
		return digits(s) + nbsp + "s"
	case s < 2*60*60:
		d = d.Round(time.Second)
		return join(int64(d/time.Minute), "min", int64(d/time.Second%60), "s")
	default:
		d = d.Round(time.Minute)
		return join(int64(d/time.Hour), "h", int64(d/time.Minute%60), "min")
	}
}

func join(a int64, unitA string, b int64, unitB string) string {
	if b == 0 {
		return fmt.Sprintf("%d"+nbsp+"%s", a, unitA)
	}
	return fmt.Sprintf("%d"+nbsp+"%s"+nbsp+"%d"+nbsp+"%s", a, unitA, b, unitB)
}

// digits returns a number from 1 to 999 with three digits.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// Count returns n with commas: 1,234,567.
func Count[T int | int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Rate returns a number per second: 0.12, 5.3, 1,234.
func Rate(v float64) string {
	switch {
	case v >= 99.95:
		return Count(int64(v + 0.5))
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v == 0:
		return "0"
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// Bytes returns a size in decimal units.
func Bytes(v float64) string {
	if v < 999.5 {
		return strconv.FormatFloat(v, 'f', 0, 64) + nbsp + "B"
	}
	unit := -1
	for v >= 999.5 && unit < 5 {
		v /= 1000
		unit++
	}
	return digits(v) + nbsp + "kMGTPE"[unit:unit+1] + "B"
}

// Memory returns a size in binary units.
func Memory(n int64) string {
	switch v := float64(n); {
	case v < 1<<10:
		return fmt.Sprintf("%d"+nbsp+"B", n)
	case v < 1<<20:
		return digits(v/(1<<10)) + nbsp + "KiB"
	case v < 1<<30:
		return digits(v/(1<<20)) + nbsp + "MiB"
	default:
		return digits(v/(1<<30)) + nbsp + "GiB"
	}
}

// Percent returns part of whole: 0 %, 0.25 %, 99.9 %, 100 %. Only all are 100 %, and only none 0 %.
func Percent(part, whole float64) string {
	if whole == 0 {
		return "–"
	}
	p := 100 * part / whole
	switch {
	case p > 99.9 && p < 100:
		return "99.9 %"
	case p > 0 && p < 0.01:
		return "under" + nbsp + "0.01" + nbsp + "%"
	case p == 0, p >= 100:
		return strconv.FormatFloat(p, 'f', 0, 64) + nbsp + "%"
	case p < 1:
		return strconv.FormatFloat(p, 'f', 2, 64) + nbsp + "%"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + nbsp + "%"
}

// Plural returns "1 stream" or "1,000 streams".
func Plural[T int | int64](n T, what string) string {
	if n != 1 {
		what += "s"
	}
	return Count(n) + " " + what
}

// nbsp stands between a number and its unit, so that they stay together.
const nbsp = "\u00a0"

// Spaces returns text for a terminal, with plain spaces between numbers and their units.
func Spaces(text string) string { return strings.ReplaceAll(text, nbsp, " ") }

// Wrap breaks text at spaces, so that no line has more than n characters. A longer word is cut.
func Wrap(text string, n int) (lines []string) {
	line, width := "", 0
	for i, word := range strings.Split(text, " ") {
		word = Clip(word, n)
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			line, width = word, length
		case width+1+length > n:
			lines = append(lines, line)
			line, width = word, length
		default:
			line, width = line+" "+word, width+1+length
		}
	}
	return append(lines, line)
}
