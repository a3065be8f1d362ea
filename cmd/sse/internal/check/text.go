package check

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lastevent/sse/cmd/sse/internal/term"
)

const (
	width     = 96 // columns of the report
	lineWidth = 60 // columns of a time line
	maxFixes  = 4  // where none of the servers was recognised
)

// writeJSON writes the report as an object.
func (r *Report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		*Report
		Problems int `json:"problems"`
		Risks    int `json:"risks"`
		Notes    int `json:"notes"`
	}{r, r.count(Problem), r.count(Risk), r.count(Note)})
}

const bold term.Color = "1"

// A printer writes a report as text.
type printer struct {
	*bufio.Writer
	out *term.Writer
}

// in returns text in a colour, if the output shows any.
func (p *printer) in(c term.Color, text string) string { return p.out.Paint(c, text) }

// writeText writes the report for people.
func (r *Report) writeText(w *term.Writer) error {
	p := &printer{bufio.NewWriter(w), w}
	fmt.Fprintf(p, "%s\n\n", p.in(bold, "sse check "+safe(r.Target)))
	for _, f := range r.Facts {
		p.item(fmt.Sprintf("  %-9s ", f.Name), "", f.Text)
	}
	legend := false
	for _, f := range r.Findings {
		p.finding(f, !legend)
		legend = legend || len(f.Lines) > 0
	}
	p.rest(r)
	return p.Flush()
}

// item writes text after a label, wrapped. It may begin with a name, which is made to stand
// out.
func (p *printer) item(label, name, text string) {
	for i, line := range wrap(name+text, width-len(label)) {
		if i > 0 {
			label = strings.Repeat(" ", len(label))
		} else if rest, ok := strings.CutPrefix(line, name); ok && name != "" {
			line = p.in(bold, name) + rest
		}
		fmt.Fprintf(p, "%s%s\n", p.in(term.Faint, label), line)
	}
}

func (p *printer) finding(f Finding, legend bool) {
	colour := map[Level]term.Color{Problem: bold + ";" + term.Red, Risk: bold + ";" + term.Yellow, Note: bold + ";" + term.Cyan}[f.Level]
	fmt.Fprintf(p, "\n%s  %s  %s\n", p.in(colour, strings.ToUpper(f.Level.String())), p.in(bold, f.ID), f.Title)
	if len(f.Lines) > 0 {
		p.timeLines(f.Lines, legend)
	}
	for i, e := range f.Evidence {
		p.item(label("Seen", i), "", e)
	}
	p.item("  Cause  ", "", f.Cause)
	for i, fix := range f.Fixes {
		if i == maxFixes && len(f.Fixes) > maxFixes {
			p.item(label("Fix", i), "", fmt.Sprintf("%s: see the page below.", servers(f.Fixes[i:])))
			break
		}
		p.item(label("Fix", i), fix.Server+":", " "+fix.Text)
	}
	fmt.Fprintf(p, "%s\n", p.in(term.Faint, "  More   "+f.Doc))
}

// label names the first of several items.
func label(name string, i int) string {
	if i > 0 {
		name = ""
	}
	return fmt.Sprintf("  %-6s ", name)
}

func servers(fixes []Fix) string {
	var names []string
	for _, f := range fixes {
		names = append(names, f.Server)
	}
	return strings.Join(names, ", ")
}

// rest writes what was not verified, what passed, and the counts.
func (p *printer) rest(r *Report) {
	if len(r.NotVerified) > 0 {
		fmt.Fprintf(p, "\n%s\n", p.in(bold, "Not verified"))
		for _, group := range grouped(r.NotVerified) {
			p.item("  ", "", group)
		}
	}
	if len(r.Passed) > 0 {
		fmt.Fprintf(p, "\n%s\n", p.in(bold, "Passed"))
		p.item("  ", "", strings.Join(r.Passed, " "))
	}
	if len(r.Skipped) > 0 {
		fmt.Fprintf(p, "\n%s\n", p.in(bold, "Skipped"))
		p.item("  ", "", strings.Join(r.Skipped, " "))
	}
	colour := term.Green
	switch {
	case r.count(Problem) > 0:
		colour = term.Red
	case r.count(Risk) > 0:
		colour = term.Yellow
	}
	text := fmt.Sprintf("%s, %s, %s", plural(r.count(Problem), "problem"), plural(r.count(Risk), "risk"), plural(r.count(Note), "note"))
	if r.Interrupted {
		text += ", interrupted"
	}
	fmt.Fprintf(p, "\n%s in %s\n", p.in(bold+";"+colour, text), seconds(time.Duration(r.Milliseconds)*time.Millisecond))
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// grouped joins the identifiers that have one reason.
func grouped(reasons []Reason) (lines []string) {
	var texts []string
	byText := make(map[string][]string)
	for _, n := range reasons {
		if byText[n.Text] == nil {
			texts = append(texts, n.Text)
		}
		byText[n.Text] = append(byText[n.Text], n.ID)
	}
	for _, text := range texts {
		lines = append(lines, strings.Join(byText[text], " ")+": "+text)
	}
	return lines
}

// timeLines draws connections below each other, on one axis.
func (p *printer) timeLines(lines []TimeLine, legend bool) {
	until, name := int64(1), 0
	for _, l := range lines {
		until, name = max(until, l.Until), max(name, len(l.Name))
	}
	axis := fmt.Sprintf("0%*s", lineWidth-1, seconds(time.Duration(until)*time.Millisecond))
	fmt.Fprintf(p, "  %-*s  %s\n", name, "", p.in(term.Faint, axis))
	for _, l := range lines {
		text := fmt.Sprintf("%d %s", len(l.Events), l.What)
		if l.Header < 0 {
			text += ", no header"
		}
		fmt.Fprintf(p, "  %-*s  %s  %s\n", name, safe(l.Name), p.in(term.Cyan, draw(l, until)), text)
	}
	if !legend {
		return
	}
	fmt.Fprintf(p, "  %-*s  %s\n", name, "", p.in(term.Faint, "h header   o one   8 several, by their number   # more than nine   x the end"))
}

// draw draws a time line: what came in each of its columns.
func draw(l TimeLine, until int64) string {
	column := func(ms int64) int { return int(min(ms*lineWidth/(until+1), lineWidth-1)) }
	cells := []byte(strings.Repeat(" ", lineWidth))
	for i := 0; i <= column(l.Until); i++ {
		cells[i] = '.'
	}
	if l.Header >= 0 {
		cells[column(l.Header)] = 'h'
	}
	counts := make([]int, lineWidth)
	for _, ms := range l.Events {
		counts[column(ms)]++
	}
	for i, n := range counts {
		switch {
		case n == 1:
			cells[i] = 'o'
		case n > 9:
			cells[i] = '#'
		case n > 1:
			cells[i] = byte('0' + n)
		}
	}
	if l.Ended {
		cells[column(l.Until)] = 'x'
	}
	return string(cells)
}

// wrap breaks text at spaces into lines of a width.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
