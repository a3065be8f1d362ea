package report

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A paint is a colour of the page: a variable of its style sheet, which has a value for light and one
// for dark pages. A plot is drawn in paints, and gets the variables' names instead in the SVG.
type paint uint8

// The paints of a plot. The lines' are numbered from line1 on.
const (
	ink paint = 1 + iota
	grid
	axis
	due
	mark
	line1
	line2
	line3
	line4
	line5
	line6
)

var paintNames = [...]string{ink: "ink", grid: "grid", axis: "axis", due: "due", mark: "mark",
	line1: "line1", line2: "line2", line3: "line3", line4: "line4", line5: "line5", line6: "line6"}

// Variable returns the paint as CSS has it.
func (p paint) Variable() template.CSS { return template.CSS("var(--" + paintNames[p] + ")") }

// color returns what stands for the paint until the SVG is written: a colour that no plot has. What is
// filled with it is see-through.
func (p paint) color(fill bool) color.Color {
	if fill {
		p |= filled
	}
	return color.RGBA{R: 0xf0, G: 0x0d, B: uint8(p), A: 0xff}
}

const filled paint = 0x80

var paintColor = regexp.MustCompile(`#F00D[0-9A-F]{2}`)

// A line is a curve of a plot, or a stepped area.
type line struct {
	name   string
	paint  paint
	xys    plotter.XYs
	dashed bool
	area   bool // fill what is below it
}

// Paint returns its colour for the legend.
func (l line) Paint() template.CSS { return l.paint.Variable() }

// Name returns its name for the legend.
func (l line) Name() string { return l.name }

// Dashed reports whether the line is dashed.
func (l line) Dashed() bool { return l.dashed }

// A figure is a plot of the page, with what belongs to it.
type figure struct {
	Title  string
	Unit   string // of the vertical axis
	Lines  []line
	Wide   template.HTML // SVG
	Narrow template.HTML // the same with fewer ticks, for a telephone
}

// Plots are drawn in two widths, so that their text is as large as the page's in both.
const (
	wide   = 700
	narrow = 330
	labels = 44 // points for the labels of the vertical axis, so that plots below each other begin at the same place
)

// axes describe how a plot is scaled.
type axes struct {
	x, y   func(least, greatest float64, most int) []plot.Tick
	marks  []float64 // where vertical lines are
	height float64   // of the wide plot, in points; 0: 190
	minX   float64
	maxX   float64 // 0: the largest
	minY   float64
	maxY   float64 // 0: the largest, and some room
}

// svg draws lines in one width.
func (a axes) svg(lines []line, width float64, alt string) template.HTML {
	height := a.height
	if height == 0 {
		height = 190
	}
	mostX, mostY := 9, 6
	if width == narrow {
		height = 170 * height / 190
		mostX, mostY = 5, 5
	}
	p := plot.New()
	p.BackgroundColor = color.Transparent
	for _, ax := range []*plot.Axis{&p.X, &p.Y} {
		ax.LineStyle.Width, ax.Padding = 0, 0
		ax.Tick.LineStyle.Color, ax.Tick.LineStyle.Width = color.Transparent, vg.Points(0.5) // a gap as long as a tick
		ax.Tick.Length = vg.Points(4)
		ax.Tick.Label.Color = ink.color(false)
		ax.Tick.Label.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 9.5}
	}
	p.X.LineStyle.Color, p.X.LineStyle.Width = axis.color(false), vg.Points(0.75)

	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = a.minX, a.maxX, a.minY, a.maxY
	for _, l := range lines {
		for _, xy := range l.xys {
			if a.maxX == 0 {
				p.X.Max = max(p.X.Max, xy.X)
			}
			if a.maxY == 0 {
				p.Y.Max = max(p.Y.Max, xy.Y+0.06*(xy.Y-a.minY))
			}
		}
	}
	if p.X.Max <= p.X.Min {
		p.X.Max = p.X.Min + 1
	}
	if p.Y.Max <= p.Y.Min {
		p.Y.Max = p.Y.Min + 1
	}
	least, greatest := [2]float64{p.X.Min, p.Y.Min}, [2]float64{p.X.Max, p.Y.Max} // adding plotters moves them
	g := plotter.NewGrid()
	g.Vertical.Width, g.Horizontal.Color, g.Horizontal.Width = 0, grid.color(false), vg.Points(0.75)
	p.Add(g)
	for _, x := range a.marks {
		m := &plotter.Line{XYs: plotter.XYs{{X: x, Y: least[1]}, {X: x, Y: greatest[1]}}}
		m.Color, m.Width, m.Dashes = mark.color(false), vg.Points(1), []vg.Length{vg.Points(2), vg.Points(3)}
		p.Add(m)
	}
	for _, l := range lines {
		if len(l.xys) == 0 {
			continue
		}
		if l.area {
			area := slices.Concat(plotter.XYs{{X: l.xys[0].X, Y: least[1]}}, l.xys, plotter.XYs{{X: l.xys[len(l.xys)-1].X, Y: least[1]}})
			poly := &plotter.Polygon{XYs: []plotter.XYs{area}, Color: l.paint.color(true)}
			p.Add(poly)
		}
		pl := &plotter.Line{XYs: l.xys}
		pl.Color, pl.Width = l.paint.color(false), vg.Points(1.5)
		if l.dashed {
			pl.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		p.Add(pl)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = least[0], greatest[0], least[1], greatest[1]
	p.X.Tick.Marker = plot.ConstantTicks(a.x(p.X.Min, p.X.Max, mostX))
	p.Y.Tick.Marker = plot.ConstantTicks(a.y(p.Y.Min, p.Y.Max, mostY))

	c := vgsvg.New(vg.Points(width), vg.Points(height))
	canvas := draw.Crop(draw.New(c), 0, -vg.Points(14), vg.Points(2), -vg.Points(6)) // room for the last label
	left := p.DataCanvas(canvas).Min.X - canvas.Min.X
	p.Draw(draw.Crop(canvas, max(0, vg.Points(labels)-left), 0, 0, 0))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		panic(err) // a buffer has room
	}
	return inline(b.String(), width, height, alt)
}

var xmlHead = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)

// inline makes an SVG file a part of a page: as wide as there is room, in the page's colours and font.
func inline(svg string, width, height float64, alt string) template.HTML {
	head := fmt.Sprintf(`<svg class="%s" role="img" aria-label="%s" viewBox="0 0 %g %g">`,
		map[bool]string{true: "narrow", false: "wide"}[width == narrow], template.HTMLEscapeString(alt), width, height)
	svg = head + xmlHead.ReplaceAllString(svg, "")
	svg = strings.ReplaceAll(svg, "font-family:Liberation Sans", "font-family:inherit")
	svg = paintColor.ReplaceAllStringFunc(svg, func(c string) string {
		var p paint
		if _, err := fmt.Sscanf(c, "#F00D%02X", &p); err != nil {
			panic(err) // the expression matched
		}
		if p&filled != 0 {
			return string((p &^ filled).Variable()) + ";fill-opacity:0.14"
		}
		return string(p.Variable())
	})
	return template.HTML(svg) //nolint:gosec // drawn from numbers, with our names
}

// draw returns the figure with its SVG.
func (f figure) draw(a axes) *figure {
	f.Wide, f.Narrow = a.svg(f.Lines, wide, f.Title), a.svg(f.Lines, narrow, f.Title)
	return &f
}
