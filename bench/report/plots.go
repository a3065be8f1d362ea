package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/lastevent/sse/bench"
)

// A theme is the colours of a page that a plot is shown on. The background is the page's own.
type theme struct {
	name                    string
	ink, faint, ours, ours2 color.Color
	peer, peer2, limit      color.Color
}

var themes = []theme{
	{
		name: "light",
		ink:  rgb(0x1f2328), faint: rgb(0xd8dde3),
		ours: rgb(0x0969da), ours2: rgb(0x80b8f0),
		peer: rgb(0x8b949e), peer2: rgb(0xc3c9d0), limit: rgb(0xbc8a2c),
	},
	{
		name: "dark",
		ink:  rgb(0xe6edf3), faint: rgb(0x30363d),
		ours: rgb(0x4c9bf5), ours2: rgb(0x27568c),
		peer: rgb(0x7d8590), peer2: rgb(0x474e57), limit: rgb(0xd6a84a),
	},
}

func rgb(v uint32) color.Color {
	return color.RGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 0xff}
}

// writePlots writes each plot in each theme to dir.
func writePlots(dir string, r *bench.Results) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, th := range themes {
		for name, plotOf := range map[string]func(theme, *bench.Results) (*plot.Plot, vg.Length, error){
			"throughput": throughputPlot,
			"idle":       idlePlot,
			"size":       sizePlot,
		} {
			p, height, err := plotOf(th, r)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := save(p, height, filepath.Join(dir, name+"-"+th.name+".svg")); err != nil {
				return err
			}
		}
	}
	return nil
}

// save writes a plot with a margin: fonts differ in their widths, and the page's may be wider.
func save(p *plot.Plot, height vg.Length, path string) error {
	const width, margin = 17 * vg.Centimeter, vg.Centimeter / 2
	c := vgsvg.New(width, height)
	p.Draw(draw.Crop(draw.New(c), margin, -margin, 0, -margin/2))
	var svg bytes.Buffer
	if _, err := c.WriteTo(&svg); err != nil {
		return err
	}
	const family = "font-family:Liberation Sans"
	return os.WriteFile(path, bytes.ReplaceAll(svg.Bytes(), []byte(family), []byte(family+",Arial,Helvetica,sans-serif")), 0o644)
}

func (th theme) plot(title string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	p.Title.Text = title
	p.Title.Padding = vg.Points(8)
	for _, s := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		s.Color = th.ink
		s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 10}
	}
	p.Title.TextStyle.Font.Size = 12
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle.Color, a.Tick.LineStyle.Color = th.faint, th.faint
	}
	return p
}

// bar is a row of a bar chart: parts that add up to what the label says.
type bar struct {
	name   string
	parts  []float64
	colors []color.Color
	label  string
}

// bars draws rows from top to bottom.
func (th theme) bars(p *plot.Plot, rows []bar) error {
	slices.Reverse(rows)
	var names []string
	var labels plotter.XYLabels
	longest := 0.0
	for i, row := range rows {
		names = append(names, row.name)
		sum := 0.0
		var below *plotter.BarChart
		for j, part := range row.parts {
			b, err := plotter.NewBarChart(plotter.Values{part}, vg.Points(13))
			if err != nil {
				return err
			}
			b.Horizontal, b.XMin, b.Color = true, float64(i), row.colors[j]
			b.LineStyle.Width = 0
			if below != nil {
				b.StackOn(below)
			}
			below = b
			p.Add(b)
			sum += part
		}
		longest = max(longest, sum)
		labels.XYs = append(labels.XYs, plotter.XY{X: sum, Y: float64(i)})
		labels.Labels = append(labels.Labels, row.label)
	}
	if err := th.label(p, labels); err != nil {
		return err
	}
	p.NominalY(names...)
	p.Y.LineStyle.Width, p.Y.Tick.LineStyle.Width = 0, 0
	p.HideX() // the labels say it
	p.X.Min, p.X.Max = 0, 1.15*longest
	return nil
}

// label adds labels to the right of their points.
func (th theme) label(p *plot.Plot, labels plotter.XYLabels) error {
	l, err := plotter.NewLabels(labels)
	if err != nil {
		return err
	}
	for i := range l.TextStyle {
		l.TextStyle[i].Color = th.ink
		l.TextStyle[i].Font = p.X.Tick.Label.Font
		l.TextStyle[i].YAlign = draw.YCenter
	}
	l.Offset = vg.Point{X: vg.Points(4), Y: vg.Points(1.5)}
	p.Add(l)
	return nil
}

func throughputPlot(th theme, r *bench.Results) (*plot.Plot, vg.Length, error) {
	p := th.plot("Million events per second: LLM chunks of 220 bytes, in memory")
	var rows []bar
	limits, ours := names(bench.Limits()), names(bench.Ours())
	for _, t := range r.Throughput {
		if t.Corpus != "llm" || t.Subject == "memmove" || t.Subject == "IndexByte" || len(t.Times) == 0 {
			continue
		}
		name, c := t.Subject, th.peer
		switch {
		case slices.Contains(limits, name):
			name, c = name+" (lines only)", th.limit
		case slices.Contains(ours, name):
			c = th.ours
		}
		v := 1e3 / t.Times.Median()
		rows = append(rows, bar{name, []float64{v}, []color.Color{c}, figure(v)})
	}
	slices.SortStableFunc(rows, func(a, b bar) int { return cmp.Compare(b.parts[0], a.parts[0]) })
	return p, vg.Length(len(rows))*vg.Points(20) + 1.5*vg.Centimeter, th.bars(p, rows)
}

func names(subjects []bench.Subject) []string {
	var names []string
	for _, s := range subjects {
		names = append(names, s.Name)
	}
	return names
}

func idlePlot(th theme, r *bench.Results) (*plot.Plot, vg.Length, error) {
	p := th.plot("KiB per idle stream: heap, and stack in the fainter shade")
	var rows []bar
	for _, i := range r.Idle {
		name, colors := i.Subject+", "+i.Transport, []color.Color{th.peer, th.peer2}
		switch i.Subject {
		case "sse.Parser":
			continue
		case "sse.Events":
			colors = []color.Color{th.ours, th.ours2}
		}
		rows = append(rows, bar{name, []float64{i.Heap / 1024, i.Stack / 1024}, colors, figure((i.Heap + i.Stack) / 1024)})
	}
	return p, vg.Length(len(rows))*vg.Points(20) + 1.5*vg.Centimeter, th.bars(p, rows)
}

func sizePlot(th theme, r *bench.Results) (*plot.Plot, vg.Length, error) {
	p := th.plot("Time for an event against its size, in reads of 1400 bytes")
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = powers{64, 16, bytesLabel}, powers{0.01, 10, microsecondsLabel}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = th.faint, th.faint
	grid.Horizontal.Width, grid.Vertical.Width = vg.Points(0.5), vg.Points(0.5)
	p.Add(grid)

	points := make(map[string]plotter.XYs)
	var order []string
	for _, t := range r.Sizes {
		size, err := strconv.ParseFloat(t.Corpus, 64)
		if err != nil {
			return nil, 0, err
		}
		if points[t.Subject] == nil {
			order = append(order, t.Subject)
		}
		if len(t.Times) > 0 {
			points[t.Subject] = append(points[t.Subject], plotter.XY{X: size, Y: t.Times.Median() / 1e3})
		}
	}
	var ends plotter.XYLabels
	for _, subject := range order {
		line, err := plotter.NewLine(points[subject])
		if err != nil {
			return nil, 0, err
		}
		line.Color, line.Width = th.peer, vg.Points(1)
		if slices.Contains(names(bench.Ours()), subject) {
			line.Color, line.Width = th.ours, vg.Points(2.5)
		}
		p.Add(line)
		ends.XYs = append(ends.XYs, points[subject][len(points[subject])-1])
		ends.Labels = append(ends.Labels, subject)
	}
	column := 1.6 * p.X.Max
	for i, y := range apart(ends.XYs) {
		leader, err := plotter.NewLine(plotter.XYs{ends.XYs[i], {X: column, Y: y}})
		if err != nil {
			return nil, 0, err
		}
		leader.Color, leader.Dashes = th.peer2, []vg.Length{vg.Points(1), vg.Points(2)}
		p.Add(leader)
		ends.XYs[i] = plotter.XY{X: column, Y: y}
	}
	if err := th.label(p, ends); err != nil {
		return nil, 0, err
	}
	p.X.Max = 12 * column // room for the labels
	return p, 11 * vg.Centimeter, nil
}

// apart returns the points' Y, moved apart on a logarithmic scale so that a line of text
// fits in between.
func apart(points plotter.XYs) []float64 {
	const line = 1.9 // the factor that is as high as a line
	order := make([]int, len(points))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(points[a].Y, points[b].Y) })
	ys := make([]float64, len(points))
	at := 0.0
	for _, i := range order {
		at = max(points[i].Y/4, at*line) // from a bit below, as they are moved up
		ys[i] = at
	}
	return ys
}

// powers are ticks at a first value and its multiples by a factor.
type powers struct {
	first, factor float64
	label         func(float64) string
}

func (t powers) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for v := t.first; v <= high*1.01; v *= t.factor {
		if v >= low*0.99 {
			ticks = append(ticks, plot.Tick{Value: v, Label: t.label(v)})
		}
	}
	return ticks
}

func bytesLabel(v float64) string {
	switch {
	case v >= 1<<20:
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	case v >= 1<<10:
		return fmt.Sprintf("%.0f KiB", v/(1<<10))
	}
	return fmt.Sprintf("%.0f B", v)
}

func microsecondsLabel(v float64) string {
	switch {
	case v > 0.99e6:
		return fmt.Sprintf("%.0f s", v/1e6)
	case v > 0.99e3:
		return fmt.Sprintf("%.0f ms", v/1e3)
	}
	return fmt.Sprintf("%g µs", math.Round(v*1e3)/1e3)
}
