// Package assertion reads and checks what a user requires of a report, such as
//
//	p99(skew) < 200ms
//	missing == 0
//	lost <= 1%
//	back99(storm) < 5s
//
// An assertion compares a figure with a value. A figure is a count, a rate, a size or a time of the
// report, or a function of one of its distributions or of its storms.
package assertion

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lastevent/sse/load"
)

// An Assertion compares a figure of a report with a value.
type Assertion struct {
	text    string
	figure  figure
	op      string
	value   float64
	percent bool // of the figure's whole
}

// A Result is what an assertion found.
type Result struct {
	Text string // the assertion, as it was written
	OK   bool
	Got  string // the figure, or why there is none, in which case the assertion does not hold
}

// An Error says what is wrong with the text of an assertion, and where.
type Error struct {
	Character int // the first is 1
	Reason    string
}

func (e *Error) Error() string { return fmt.Sprintf("character %d: %s", e.Character, e.Reason) }

// operators are the comparisons, the longer ones first.
var operators = []string{"<=", ">=", "==", "!=", "<", ">"}

// Parse reads an assertion. Its error is an *Error.
func Parse(text string) (Assertion, error) {
	p := parser{text: text}
	a := Assertion{text: strings.TrimSpace(text)}
	var err error
	if a.figure, err = p.figure(); err != nil {
		return Assertion{}, err
	}
	p.space()
	i := slices.IndexFunc(operators, func(op string) bool { return strings.HasPrefix(p.rest(), op) })
	if i < 0 {
		return Assertion{}, p.errorf("after %s there must be one of < <= > >= == !=", a.figure.name)
	}
	a.op = operators[i]
	p.at += len(a.op)
	p.space()
	at := p.at
	word := strings.TrimRight(p.rest(), " \t")
	if word == "" {
		return Assertion{}, p.errorf("after %s there must be a value", a.op)
	}
	if a.value, a.percent, err = a.figure.parse(word); err != nil {
		p.at = at
		return Assertion{}, p.errorf("%s", err.Error())
	}
	return a, nil
}

type parser struct {
	text string
	at   int // bytes
}

func (p *parser) rest() string { return p.text[p.at:] }

func (p *parser) space() {
	p.at = len(p.text) - len(strings.TrimLeft(p.rest(), " \t"))
}

func (p *parser) errorf(format string, args ...any) error {
	return &Error{len([]rune(p.text[:p.at])) + 1, fmt.Sprintf(format, args...)}
}

// word reads a name: letters, digits and dots.
func (p *parser) word() string {
	rest := p.rest()
	n := strings.IndexFunc(rest, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.')
	})
	if n < 0 {
		n = len(rest)
	}
	p.at += n
	return rest[:n]
}

// figure reads a name, or function(name).
func (p *parser) figure() (figure, error) {
	p.space()
	start := p.at
	name := p.word()
	if name == "" {
		return figure{}, p.errorf("a figure is missing, such as missing or p99(skew)")
	}
	p.space()
	if !strings.HasPrefix(p.rest(), "(") {
		i := slices.IndexFunc(figures, func(f figure) bool { return strings.EqualFold(f.name, name) })
		if i < 0 {
			p.at = start
			return figure{}, p.errorf("no figure has the name %q: there are %s; and such as p99(skew) and back99(storm)", name, names(figures))
		}
		return figures[i], nil
	}
	p.at++
	p.space()
	inner := p.at
	of := p.word()
	p.space()
	if !strings.HasPrefix(p.rest(), ")") {
		return figure{}, p.errorf("a ) is missing")
	}
	end := p.at + 1
	if strings.EqualFold(of, "storm") {
		i := slices.IndexFunc(ofStorm, func(f figure) bool { return strings.EqualFold(f.name, name+"(storm)") })
		if i < 0 {
			p.at = start
			return figure{}, p.errorf("a storm has no %q: there are %s", name, names(ofStorm))
		}
		p.at = end
		return ofStorm[i], nil
	}
	i := slices.IndexFunc(distributions, func(d distribution) bool { return strings.EqualFold(d.name, of) })
	if i < 0 {
		p.at = inner
		return figure{}, p.errorf("no distribution has the name %q: there are %s, and storm", of, distributionNames())
	}
	f, ok := ofDistribution(name, distributions[i])
	if !ok {
		p.at = start
		return figure{}, p.errorf("a distribution has no %q: there are min, mean, max, count, and percentiles such as p50 and p99.9", name)
	}
	p.at = end
	return f, nil
}

func names(figures []figure) string {
	var names []string
	for _, f := range figures {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

func distributionNames() string {
	var names []string
	for _, d := range distributions {
		names = append(names, d.name)
	}
	return strings.Join(names, ", ")
}

// units of a size, in bytes.
var units = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// ParseSize reads a number of bytes, with a unit or without.
func ParseSize(text string) (bytes float64, ok bool) {
	factor := 1.0
	for _, u := range units {
		if digits, ok := strings.CutSuffix(text, u.name); ok {
			text, factor = strings.TrimSpace(digits), u.bytes
			break
		}
	}
	v, ok := decimal(text)
	return v * factor, ok
}

// parse reads the value that a figure is compared with.
func (f figure) parse(word string) (v float64, percent bool, err error) {
	want := "a number such as 0 or 1.5"
	switch f.kind {
	case duration:
		want = "a time such as 200ms or 1.5s"
		if d, err := time.ParseDuration(word); err == nil && d >= 0 && word != "0" {
			return float64(d), false, nil
		}
	case size:
		want = "a size such as 14KiB or 1.5MB"
		if v, ok := ParseSize(word); ok {
			return v, false, nil
		}
	case number:
		if digits, ok := strings.CutSuffix(word, "%"); ok {
			v, ok := decimal(strings.TrimSpace(digits))
			switch {
			case ok && f.hasWhole():
				return v / 100, true, nil
			case ok:
				return 0, false, fmt.Errorf("there is no 100 %% of %s: want a number", f.name)
			}
		}
		if v, ok := decimal(word); ok {
			return v, false, nil
		}
	}
	return 0, false, fmt.Errorf("%q: %s is compared with %s", word, f.name, want)
}

// hasWhole reports whether a percentage of the figure makes sense.
func (f figure) hasWhole() bool {
	_, whole, _ := f.value(&load.Report{
		Streams:  load.Streams{Asked: 1},
		Sequence: load.Sequence{Numbered: 1},
		Publish:  &load.Publishing{Sent: 1},
		Storms:   []load.Storm{{Dropped: 1}},
	})
	return whole != 0
}

func decimal(s string) (float64, bool) {
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && v >= 0 && !math.IsInf(v, 0) && !strings.ContainsAny(s, "xXpP_")
}

// Check compares the assertion with a report. A figure that the report does not have makes it fail:
// what was not measured was not shown.
func (a Assertion) Check(r *load.Report) Result {
	v, whole, err := a.figure.value(r)
	if err != nil {
		return Result{a.text, false, err.Error()}
	}
	got := a.figure.format(v)
	if a.percent {
		if whole == 0 {
			return Result{a.text, false, got + " of none"}
		}
		v /= whole
		got = fmt.Sprintf("%s of %s, %.3g%%", got, a.figure.format(whole), 100*v)
	}
	return Result{a.text, compare(v, a.op, a.value), got}
}

func compare(v float64, op string, w float64) bool {
	switch op {
	case "<":
		return v < w
	case "<=":
		return v <= w
	case ">":
		return v > w
	case ">=":
		return v >= w
	case "==":
		return v == w
	}
	return v != w
}

// format returns a value with the unit that assertions have.
func (f figure) format(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "never"
	case f.kind == duration:
		return rounded(time.Duration(v)).String()
	case f.kind == size && v >= 10<<10:
		return fmt.Sprintf("%.1fKiB", v/(1<<10))
	case f.kind == size:
		return strconv.FormatFloat(v, 'f', 0, 64) + "B"
	}
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}

// rounded returns d with four digits.
func rounded(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 10000 {
		unit *= 10
	}
	return d.Round(unit)
}
