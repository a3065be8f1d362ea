package assertion

import (
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/load"
)

func report(t *testing.T) *load.Report {
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	for i := range 1000 {
		require.NoError(t, h.RecordValue(int64(time.Duration(i+1)*time.Millisecond)))
	}
	hdr, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	require.NoError(t, err)
	return &load.Report{
		Elapsed: 90 * time.Second,
		Streams: load.Streams{Asked: 200, Opened: 199, Held: 198, Lost: 2, Refused: 1, Away: 3, Done: 4, Drops: 41, Killed: 7, Reconnects: 40},
		Latency: load.Latencies{Skew: load.Distribution{
			Count: 1000, Min: time.Millisecond, Mean: 500 * time.Millisecond, P50: 500 * time.Millisecond, P90: 900 * time.Millisecond,
			P99: 990 * time.Millisecond, P999: 999 * time.Millisecond, Max: time.Second, HDR: string(hdr),
		}},
		Traffic:  load.Traffic{Events: 5000, Bytes: 1 << 20, EventsPerSecond: 55.5, BytesPerSecond: 11650},
		Publish:  &load.Publishing{Sent: 99, Failed: 1, Took: load.Distribution{Count: 99, P99: 5 * time.Millisecond}},
		Sequence: load.Sequence{Numbered: 4990, Missing: 10, Repeated: 5, OutOfOrder: 1, Stalled: 2},
		Storms: []load.Storm{
			{Dropped: 10, Back: 10, Back50: time.Second, Back99: 2 * time.Second, Back100: 3 * time.Second, Attempts: 12, Busiest: 4},
			{Dropped: 20, Back: 19, Back50: 1500 * time.Millisecond, Attempts: 90, Busiest: 3},
		},
		Client: load.Process{CPU: 3 * time.Second, BytesPerStream: 12 << 10},
	}
}

// TestCheck: each figure has its value, and each comparison its meaning.
func TestCheck(t *testing.T) {
	r := report(t)
	for text, want := range map[string]Result{
		"asked == 200":              {OK: true, Got: "200"},
		"opened >= 99%":             {OK: true, Got: "199 of 200, 99.5%"},
		"held > 99 %":               {OK: false, Got: "198 of 200, 99%"},
		"held >= 99%":               {OK: true, Got: "198 of 200, 99%"},
		"lost <= 1%":                {OK: true, Got: "2 of 200, 1%"},
		"lost<1%":                   {OK: false, Got: "2 of 200, 1%"},
		"refused != 1":              {OK: false, Got: "1"},
		"reconnects < 41":           {OK: true, Got: "40"},
		"away <= 2%":                {OK: true, Got: "3 of 200, 1.5%"},
		"done == 4":                 {OK: true, Got: "4"},
		"drops == 41":               {OK: true, Got: "41"},
		"killed == 7":               {OK: true, Got: "7"},
		"sent == 99":                {OK: true, Got: "99"},
		"failed <= 1%":              {OK: true, Got: "1 of 100, 1%"},
		"p99(took) < 5ms":           {OK: false, Got: "5ms"},
		"numbered == 4990":          {OK: true, Got: "4990"},
		"missing == 0":              {OK: false, Got: "10"},
		"missing <= 0.2%":           {OK: true, Got: "10 of 5000, 0.2%"},
		"repeated == 5":             {OK: true, Got: "5"},
		"outOfOrder == 1":           {OK: true, Got: "1"},
		"outoforder > 1":            {OK: false, Got: "1"},
		"stalled < 2":               {OK: false, Got: "2"},
		"events >= 5000":            {OK: true, Got: "5000"},
		"bytes >= 1MiB":             {OK: true, Got: "1024.0KiB"},
		"eventsPerSecond > 55":      {OK: true, Got: "55.5"},
		"bytesPerSecond < 12kB":     {OK: true, Got: "11.4KiB"},
		"elapsed < 2m":              {OK: true, Got: "1m30s"},
		"storms == 2":               {OK: true, Got: "2"},
		"cpu < 4s":                  {OK: true, Got: "3s"},
		"bytesPerStream <= 14KiB":   {OK: true, Got: "12.0KiB"},
		"bytesPerStream <= 12287":   {OK: false, Got: "12.0KiB"},
		"count(skew) == 1000":       {OK: true, Got: "1000"},
		"min(skew) == 1ms":          {OK: true, Got: "1ms"},
		"mean(skew) == 500ms":       {OK: true, Got: "500ms"},
		"p50(skew) <= 500ms":        {OK: true, Got: "500ms"},
		"p90(skew) < 900ms":         {OK: false, Got: "900ms"},
		"p99(skew) < 200ms":         {OK: false, Got: "990ms"},
		"p99.9(skew) < 1s":          {OK: true, Got: "999ms"},
		"max( skew ) <= 1s":         {OK: true, Got: "1s"},
		"p100(skew) <= 1s":          {OK: true, Got: "1s"},
		"p25(skew) > 249ms":         {OK: true, Got: "250.1ms"},
		"P25(SKEW) < 251ms":         {OK: true, Got: "250.1ms"},
		" p99 (skew) <\t2s ":        {OK: true, Got: "990ms"},
		"p99(header) < 1s":          {OK: false, Got: "it was not measured"},
		"count(header) == 0":        {OK: true, Got: "0"},
		"p99(schedulerLag) < 1s":    {OK: false, Got: "it was not measured"},
		"dropped(storm) == 20":      {OK: true, Got: "20"},
		"back(storm) == 100%":       {OK: false, Got: "19 of 20, 95%"},
		"back(storm) >= 95%":        {OK: true, Got: "19 of 20, 95%"},
		"back50(storm) < 1.5s":      {OK: false, Got: "1.5s"},
		"back99(storm) < 5s":        {OK: false, Got: "never"},
		"back100(storm) < 1000000h": {OK: false, Got: "never"},
		"attempts(storm) <= 90":     {OK: true, Got: "90"},
		"busiest(storm) <= 3":       {OK: false, Got: "4"},
	} {
		a, err := Parse(text)
		require.NoError(t, err, text)
		got := a.Check(r)
		assert.Equal(t, want.OK, got.OK, "%s: %s", text, got.Got)
		assert.Equal(t, want.Got, got.Got, text)
	}
}

// TestCheckNothing: what a report does not have does not hold, whatever it is compared with.
func TestCheckNothing(t *testing.T) {
	for text, want := range map[string]string{
		"missing == 0":             "no event had a number",
		"repeated >= 0":            "no event had a number",
		"outOfOrder == 0":          "no event had a number",
		"stalled == 0":             "no event had a number",
		"failed == 0":              "the run published nothing itself",
		"p99(took) < 1h":           "it was not measured",
		"lost <= 1%":               "0 of none",
		"p99(skew) < 1h":           "it was not measured",
		"p12(skew) < 1h":           "it was not measured",
		"back99(storm) < 1h":       "there was no storm",
		"back(storm) >= 0":         "there was no storm",
		"busiest(storm) < 1000000": "there was no storm",
		"bytesPerStream < 1GB":     "it was not measured",
	} {
		a, err := Parse(text)
		require.NoError(t, err, text)
		got := a.Check(new(load.Report))
		assert.False(t, got.OK, text)
		assert.Equal(t, want, got.Got, text)
		assert.Equal(t, text, got.Text)
	}
	a, err := Parse("p12(skew) < 1h")
	require.NoError(t, err)
	got := a.Check(&load.Report{Latency: load.Latencies{Skew: load.Distribution{Count: 1, HDR: "no histogram"}}})
	assert.False(t, got.OK)
	assert.Contains(t, got.Got, "has only the percentiles")
}

// TestParseErrors: an error says where, and what would be right.
func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "character 1: a figure is missing",
		"  ":                    "character 3: a figure is missing",
		"< 5":                   "character 1: a figure is missing",
		"mising == 0":           `character 1: no figure has the name "mising": there are asked, `,
		"ä == 0":                "character 1: a figure is missing",
		"p99(skw) < 1s":         `character 5: no distribution has the name "skw": there are connect, `,
		"p99() < 1s":            `character 5: no distribution has the name ""`,
		"p99(skew < 1s":         "character 10: a ) is missing",
		"p101(skew) < 1s":       `character 1: a distribution has no "p101"`,
		"p0(skew) < 1s":         `character 1: a distribution has no "p0"`,
		"pNaN(skew) < 1s":       `character 1: a distribution has no "pNaN"`,
		"p(skew) < 1s":          `character 1: a distribution has no "p"`,
		"99(skew) < 1s":         `character 1: a distribution has no "99"`,
		"p99(storm) < 1s":       `character 1: a storm has no "p99": there are dropped(storm), `,
		"back99(skew) < 1s":     `character 1: a distribution has no "back99"`,
		"missing":               "character 8: after missing there must be one of",
		"missing = 0":           "character 9: after missing there must be one of",
		"missing =< 0":          "character 9: after missing there must be one of",
		"missing ==":            "character 11: after == there must be a value",
		"missing == x":          `character 12: "x": missing is compared with a number`,
		"missing == 0 events":   `character 12: "0 events": missing is compared with a number`,
		"missing == -1":         `character 12: "-1": missing is compared with a number`,
		"missing == 0x1":        `character 12: "0x1"`,
		"missing == 1_0":        `character 12: "1_0"`,
		"missing == NaN":        `character 12: "NaN"`,
		"missing == inf":        `character 12: "inf"`,
		"missing == 1ms":        `character 12: "1ms": missing is compared with a number`,
		"missing < x%":          `character 11: "x%"`,
		"events < 1%":           "character 10: there is no 100 % of events: want a number",
		"p99(skew) < 200":       `character 13: "200": p99(skew) is compared with a time such as 200ms`,
		"p99(skew) < 0":         `character 13: "0": p99(skew) is compared with a time`,
		"p99(skew) < 5%":        `character 13: "5%"`,
		"p99(skew) < -5s":       `character 13: "-5s"`,
		"p99(skew) < 1s, a < 2": `character 13: "1s, a < 2"`,
		"bytes < 14kib":         `character 9: "14kib": bytes is compared with a size such as 14KiB`,
		"bytes < 1s":            `character 9: "1s"`,
		"missing == 0\x1b[2J":   `character 12: "0\x1b[2J"`,
		"p99(\x1b) < 1s":        "character 5: a ) is missing",
	} {
		_, err := Parse(text)
		var where *Error
		require.ErrorAs(t, err, &where, text)
		assert.Contains(t, err.Error(), want, text)
	}
}
