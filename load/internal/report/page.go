package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/assertion"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"visible": Visible}).Parse(pageText))
)

const (
	shownURLs   = 10 // on the page
	shownStorms = 5
	shownCounts = 20
)

// A page is what page.html shows. Each text of it that a server had a part in is visible text.
type page struct {
	Title, When  string
	Style        template.CSS
	URLs         []string
	MoreURLs     string
	Tiles        []tile
	Alerts       []alert
	Results      []assertion.Result
	ResultsTitle string
	Connections  string
	Marks        bool
	Ramp         *figure
	Traffic      *figure
	Percentiles  *figure
	Times        []timesRow
	Unmeasured   []string
	Skew         *figure
	Order        string
	Examples     []string
	Storms       []stormSection
	MoreStorms   string
	Ends         []countRow
	Failures     []countRow
	Published    string
	Client       string
	Bottleneck   string
}

// A tile is a figure at the top of the page.
type tile struct {
	Name, Figure, Also string
	Verdict            string // good, bad or nothing
}

type alert struct{ Title, Text string }

type timesRow struct {
	Name, What string
	Figures    []string
}

type stormSection struct {
	Title, Text    string
	Back, Attempts *figure
}

type countRow struct{ What, Example, N string }

// HTML writes a report as a page that needs nothing else: no script, no font, no network.
func HTML(w io.Writer, r *load.Report, results []assertion.Result) error {
	return pageTemplate.Execute(w, newPage(r, results))
}

func newPage(r *load.Report, results []assertion.Result) *page {
	p := &page{
		Title: title(r), Style: template.CSS(pageStyle), //nolint:gosec // it is ours
		When:        r.Started.UTC().Format("2 January 2006, 15:04:05 UTC") + ", for " + Time(r.Elapsed),
		Tiles:       tiles(r),
		Results:     results,
		Connections: sentence(connections(&r.Streams)),
		Marks:       len(r.Storms) > 0,
		Ramp:        rampFigure(r),
		Traffic:     trafficFigure(r),
		Percentiles: percentileFigure(r),
		Skew:        skewFigure(r),
		Order:       sentence(order(&r.Sequence)),
		Client:      sentence("it " + client(r)),
		Bottleneck:  r.Client.Bottleneck,
		Ends:        countRows(r.Ends),
		Failures:    countRows(r.Failures),
	}
	for i, u := range r.URLs {
		if i == shownURLs {
			p.MoreURLs = "and " + Plural(len(r.URLs)-shownURLs, "other URL")
			break
		}
		p.URLs = append(p.URLs, Visible(u))
	}
	if r.Stopped != "" {
		p.Alerts = append(p.Alerts, alert{"A limit stopped the ramp:", Visible(r.Stopped)})
	}
	if r.Client.Bottleneck != "" {
		p.Alerts = append(p.Alerts, alert{"sseload was late itself:", Visible(r.Client.Bottleneck)})
	}
	if r.Sequence.Note != "" {
		p.Alerts = append(p.Alerts, alert{"Order:", Visible(r.Sequence.Note)})
	}
	failed := 0
	for _, a := range results {
		if !a.OK {
			failed++
		}
	}
	p.ResultsTitle = Plural(len(results), "assertion") + ", all true"
	if failed > 0 {
		p.ResultsTitle = fmt.Sprintf("%s of %s failed", Count(failed), Plural(len(results), "assertion"))
	}
	p.times(r)
	p.storms(r)
	for _, e := range r.Sequence.Examples {
		p.Examples = append(p.Examples, Clip(Visible(e), 300))
	}
	if r.Publish != nil {
		p.Published = published(r.Publish)
		for _, f := range countRows(r.Publish.Failures) {
			p.Published += "; " + f.N + " × " + f.What
		}
	}
	return p
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

func tiles(r *load.Report) []tile {
	s, q := &r.Streams, &r.Sequence
	held := tile{"Streams held", Count(s.Held), "of " + Count(s.Asked) + " asked for", ""}
	if s.Lost+s.Refused > 0 {
		held.Also += "; " + Count(s.Lost) + " lost, " + Count(s.Refused) + " refused"
		held.Verdict = "bad"
	}
	all := []tile{held, {"Events", Count(r.Traffic.Events), Rate(r.Traffic.EventsPerSecond) + "/s, " + Bytes(r.Traffic.BytesPerSecond) + "/s", ""}}
	switch {
	case q.Numbered == 0:
		all = append(all, tile{"Missing events", "–", "no event had a number", ""})
	case q.Missing+q.Repeated+q.OutOfOrder == 0:
		all = append(all, tile{"Missing events", "0", "none repeated, none out of order", "good"})
	default:
		all = append(all, tile{"Missing events", Count(q.Missing), Count(q.Repeated) + " repeated, " + Count(q.OutOfOrder) + " out of order", "bad"})
	}
	add := func(name string, d *load.Distribution, none string) {
		if d.Count == 0 {
			all = append(all, tile{name, "–", none, ""})
			return
		}
		all = append(all, tile{name, Time(d.P99), "p99; median " + Time(d.P50), ""})
	}
	add("Time to header", &r.Latency.Header, "no stream was opened")
	add("Skew", &r.Latency.Skew, "no event was read by two streams")
	add("Latency of events", &r.Latency.Event, "when they were sent is not known")
	return append(all, stormTile(r), memoryTile(r))
}

// stormTile shows how long the worst storm took.
func stormTile(r *load.Report) tile {
	const name = "Back after a storm"
	if len(r.Storms) == 0 {
		return tile{name, "–", "there was none", ""}
	}
	worst := &r.Storms[0]
	for i := range r.Storms {
		if s := &r.Storms[i]; worst.Back99 != 0 && (s.Back99 == 0 || s.Back99 > worst.Back99) {
			worst = s
		}
	}
	if worst.Back99 == 0 {
		return tile{name, "never", Count(worst.Back) + " of " + Count(worst.Dropped) + " were back", "bad"}
	}
	return tile{name, Time(worst.Back99), "99" + nbsp + "% of " + Count(worst.Dropped), ""}
}

// memoryTile shows what a stream took of this process.
func memoryTile(r *load.Report) tile {
	const name = "Memory of sseload"
	if r.Client.BytesPerStream == 0 {
		return tile{name, "–", "not measured", ""}
	}
	return tile{name, Memory(r.Client.BytesPerStream), "for each stream", ""}
}

func (p *page) times(r *load.Report) {
	var unmeasured []string
	for _, s := range allSeries(r) {
		if s.d.Count == 0 {
			unmeasured = append(unmeasured, s.name)
			continue
		}
		row := timesRow{Name: s.name, What: s.what}
		for _, d := range []time.Duration{s.d.P50, s.d.P90, s.d.P99, s.d.P999, s.d.Max} {
			row.Figures = append(row.Figures, Time(d))
		}
		p.Times = append(p.Times, timesRow{row.Name, row.What, append(row.Figures, Count(s.d.Count))})
	}
	if len(unmeasured) > 0 && len(p.Times) > 0 {
		p.Unmeasured = append(p.Unmeasured, "Not measured in this run: "+strings.Join(unmeasured, ", ")+".")
	}
}

func (p *page) storms(r *load.Report) {
	for i := range r.Storms {
		if i == shownStorms {
			p.MoreStorms = "There were " + Plural(len(r.Storms)-shownStorms, "further storm") + ": see the JSON report."
			break
		}
		s := &r.Storms[i]
		back, attempts := stormFigures(s)
		p.Storms = append(p.Storms, stormSection{
			Title: "Storm at " + Time(s.At) + ", " + cause(s),
			Text: fmt.Sprintf("%s dropped, %s are back. %s. There were %s, %s of them in the busiest 100"+nbsp+"ms.",
				Plural(s.Dropped, "stream"), Count(s.Back), strings.ToUpper(returns(s)[:1])+returns(s)[1:], Plural(s.Attempts, "attempt"), Count(s.Busiest)),
			Back: back, Attempts: attempts,
		})
	}
}

func countRows(counts []load.Count) (rows []countRow) {
	for i, c := range counts {
		if i == shownCounts {
			rows = append(rows, countRow{What: "and " + Plural(len(counts)-i, "other cause")})
			break
		}
		example := Clip(Visible(c.Example), 300)
		if c.Example == c.What {
			example = ""
		}
		rows = append(rows, countRow{Clip(Visible(c.What), 200), example, Count(c.N)})
	}
	return rows
}
