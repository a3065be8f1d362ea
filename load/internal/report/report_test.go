package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/lastevent/sse/load"
	"github.com/lastevent/sse/load/internal/assertion"
)

var update = flag.Bool("update", false, "write testdata anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, text string) {
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

// evil is what a server may try: markup, and whatever a terminal obeys.
const evil = "\x1b[2J\x1b]0;t\x07\u009b35m\u202e\x7f\u2028\xff</script></style><img src=//evil.example/x onerror=alert(1)>'\"&{{.}}\n"

// hostile returns a report in which each text has evil in it.
func hostile(t *testing.T) *load.Report {
	r := sample(t)
	r.URLs = []string{"http://127.0.0.1/" + evil, evil}
	r.Stopped, r.Client.Bottleneck, r.Sequence.Note = evil, evil, evil
	r.Publish = &load.Publishing{Sent: 1, Failed: 1, Failures: []load.Count{{What: evil, N: 1, Example: evil + "x"}}}
	r.Ends = []load.Count{{What: evil, N: 1, Example: evil + strings.Repeat("long", 1000)}}
	r.Failures = []load.Count{{What: evil, N: 1, Example: evil + "x"}}
	r.Sequence.Examples = []string{evil, strings.Repeat("x", 5000)}
	for i := range r.Storms {
		r.Storms[i].Cause = evil
	}
	for _, s := range allSeries(r) {
		s.d.HDR = evil
	}
	return r
}

// large returns one in which each list and each number is as large as it may get.
func large(t *testing.T) *load.Report {
	r := sample(t)
	for range 200 {
		r.URLs = append(r.URLs, r.URLs[0])
		r.Ends = append(r.Ends, r.Ends[0])
		r.Failures = append(r.Failures, r.Failures[0])
		r.Storms = append(r.Storms, r.Storms[0])
	}
	r.Streams = load.Streams{Asked: 1e6, Opened: 1e6, Held: 1e6, Away: 1e6, Done: 1e6, Lost: 1e6, Refused: 1e6, Drops: 1e9, Killed: 1e9, Reconnects: 1e9, Slow: 1e6}
	r.Traffic = load.Traffic{Events: 1e15, Bytes: 1e18, EventsPerSecond: 1e9, BytesPerSecond: 1e12}
	r.Timeline = slices.Repeat(r.Timeline, 20)
	for i := range r.Timeline {
		r.Timeline[i].At = time.Duration(i) * 24 * time.Second
	}
	r.Step, r.Elapsed = 24*time.Second, 24*time.Hour
	return r
}

func reports(t *testing.T) map[string]*load.Report {
	return map[string]*load.Report{"sample": sample(t), "hostile": hostile(t), "large": large(t), "empty": new(load.Report)}
}

func requireVisible(t *testing.T, text string) {
	require.True(t, utf8.ValidString(text))
	for _, r := range text {
		require.True(t, r == '\n' || unicode.IsGraphic(r), "%q", r)
	}
}

// TestTable: the table shows everything, in 80 columns, and nothing that a terminal obeys.
func TestTable(t *testing.T) {
	for name, r := range reports(t) {
		var b bytes.Buffer
		require.NoError(t, Table(&b, r, append(check(t, r, "p99(skew) < 200ms", "missing == 0"), assertion.Result{Text: evil, Got: evil})))
		requireVisible(t, b.String())
		for line := range strings.Lines(b.String()) {
			assert.Less(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, "%s: %q", name, line)
		}
		assert.Less(t, strings.Count(b.String(), "\n"), 100, name)
	}
	var b bytes.Buffer
	r := sample(t)
	require.NoError(t, Table(&b, r, check(t, r, "p99(skew) < 200ms", "missing == 0")))
	golden(t, "table.txt", b.String())
	b.Reset()
	require.NoError(t, Table(&b, new(load.Report), nil))
	golden(t, "empty.txt", b.String())
}

// TestCompare: two reports stand beside each other, with their differences.
func TestCompare(t *testing.T) {
	a, b := sample(t), sample(t)
	b.Streams.Lost, b.Sequence.Missing, b.Sequence.Repeated = 5, 0, 50
	b.Latency.Skew.P99 *= 4
	b.Latency.Header.P99 -= b.Latency.Header.P99 / 10
	b.Latency.Event = load.Distribution{}
	b.Storms[0].Back100 = 0
	b.Client.Bottleneck = "the processors were busy"
	var out bytes.Buffer
	require.NoError(t, Compare(&out, "a.json", a, "b.json", b))
	golden(t, "compare.txt", out.String())
	for name, r := range reports(t) {
		out.Reset()
		require.NoError(t, Compare(&out, evil, r, "b.json", b))
		requireVisible(t, out.String())
		for line := range strings.Lines(out.String()) {
			assert.Less(t, utf8.RuneCountInString(line), 400, "%s: %q", name, line)
		}
	}
}

// TestHTML: the page is valid, needs nothing from elsewhere, and shows what it was given as text.
func TestHTML(t *testing.T) {
	for name, r := range reports(t) {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, HTML(&b, r, append(check(t, r, "missing == 0"), assertion.Result{Text: evil, OK: true, Got: evil})))
			assert.Less(t, b.Len(), 2<<20)
			requireTags(t, b.Bytes())
			doc, err := html.Parse(&b)
			require.NoError(t, err)
			var text strings.Builder
			svgs := 0
			for n := range doc.Descendants() {
				switch n.Type {
				case html.TextNode:
					if n.Parent.Data != "style" {
						text.WriteString(n.Data)
					}
				case html.ElementNode:
					require.NotContains(t, []string{"script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "image", "use", "foreignobject"}, strings.ToLower(n.Data))
					if n.Data == "svg" {
						svgs++
					}
				}
				for _, a := range n.Attr {
					require.NotContains(t, []string{"src", "href", "srcset", "data", "action", "background", "poster"}, strings.ToLower(a.Key))
					require.False(t, strings.HasPrefix(a.Key, "on"), a.Key)
					require.NotContains(t, a.Val, "url(")
					require.NotContains(t, a.Val, "#F00D")
					require.NotContains(t, a.Val, "NaN")
					require.NotContains(t, a.Val, "Inf")
					require.NotContains(t, a.Val, "ZgotmplZ")
				}
			}
			requireVisible(t, strings.ReplaceAll(text.String(), "\t", " "))
			require.NotContains(t, text.String(), "ZgotmplZ")
			if name == "hostile" {
				require.Contains(t, text.String(), `\x1b[2J\x1b]0;t\a\u009b35m\u202e\x7f\u2028\xff</script></style><img src=//evil.example/x onerror=alert(1)>'"&{{.}}\n`)
			}
			switch name {
			case "empty":
				require.Zero(t, svgs)
				require.Contains(t, text.String(), "There was no storm in this run")
				require.Contains(t, text.String(), "There is no skew in this run")
				require.Contains(t, text.String(), "No stream was opened")
			default:
				require.GreaterOrEqual(t, svgs, 2*(4+2*2), "streams, events, latency, skew and two plots of each storm, in two widths")
			}
		})
	}
	require.NotContains(t, pageStyle, "url(")
	require.NotContains(t, pageStyle, "@import")
}

// requireTags requires that each element is closed where it has to be: a parser of HTML forgives that.
func requireTags(t *testing.T, page []byte) {
	z := html.NewTokenizer(bytes.NewReader(page))
	var open []string
	ids := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			require.ErrorIs(t, z.Err(), io.EOF)
			require.Empty(t, open)
			require.Positive(t, ids)
			return
		case html.StartTagToken:
			ids++
			if name := z.Token().Data; !slices.Contains([]string{"meta", "br"}, name) {
				open = append(open, name)
			}
		case html.EndTagToken:
			name := z.Token().Data
			require.NotEmpty(t, open, name)
			require.Equal(t, open[len(open)-1], name)
			open = open[:len(open)-1]
		}
	}
}

// TestHDR: the library's own reader finds each histogram in the log, by its name.
func TestHDR(t *testing.T) {
	r := sample(t)
	r.Latency.Event = load.Distribution{}
	var b bytes.Buffer
	require.NoError(t, HDR(&b, r))
	log := hdrhistogram.NewHistogramLogReader(&b)
	found := make(map[string]*hdrhistogram.Histogram)
	for {
		h, err := log.NextIntervalHistogram()
		require.NoError(t, err)
		if h == nil {
			break
		}
		found[h.Tag()] = h
		require.InDelta(t, r.Started.UnixMilli(), h.StartTimeMs(), 1)
		require.InDelta(t, r.Elapsed.Milliseconds(), h.EndTimeMs()-h.StartTimeMs(), 1)
	}
	require.Len(t, found, 8)
	for _, s := range append(allSeries(r), series{tag: "schedulerLag", d: &r.Client.SchedulerLag}) {
		if s.tag == "event" {
			continue
		}
		require.NotNil(t, found[s.tag], s.tag)
		require.Equal(t, s.d.Count, found[s.tag].TotalCount(), s.tag)
		require.EqualValues(t, s.d.P99, found[s.tag].ValueAtPercentile(99), s.tag)
	}
	require.NoError(t, HDR(io.Discard, new(load.Report)))
	r.Latency.Skew.HDR = "no histogram"
	require.ErrorContains(t, HDR(io.Discard, r), "the histogram of skew")
}

// TestSample: the report that these tests use has something in each field, and JSON keeps it.
func TestSample(t *testing.T) {
	r := sample(t)
	b, err := json.Marshal(r)
	require.NoError(t, err)
	again := new(load.Report)
	require.NoError(t, json.Unmarshal(b, again))
	require.Equal(t, r, again)
	v := reflect.ValueOf(*r)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "Publish" && name != "Stopped" {
			require.False(t, v.Field(i).IsZero(), name)
		}
	}
}
