package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "0",
		1:                        "1 ns",
		999:                      "999 ns",
		1000:                     "1.00 µs",
		12345:                    "12.3 µs",
		999499:                   "999 µs",
		999500:                   "1.00 ms",
		123456789:                "123 ms",
		999499999:                "999 ms",
		999500000:                "1.00 s",
		1234 * time.Millisecond:  "1.23 s",
		12345 * time.Millisecond: "12.3 s",
		99949 * time.Millisecond: "99.9 s",
		99950 * time.Millisecond: "1 min 40 s",
		2 * time.Minute:          "2 min",
		119*time.Minute + 59*time.Second + 700*time.Millisecond: "120 min",
		2 * time.Hour:                   "2 h",
		25*time.Hour + 30*time.Minute:   "25 h 30 min",
		-1500 * time.Millisecond:        "-1.50 s",
		-(2*time.Hour + 29*time.Second): "-2 h",
	} {
		assert.Equal(t, want, Spaces(Time(d)), int64(d))
	}
}

func TestCounts(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		assert.Equal(t, want, Count(n))
	}
	for v, want := range map[float64]string{0: "0", 0.004: "0.00", 0.125: "0.12", 9.99: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 12345.6: "12,346"} {
		assert.Equal(t, want, Rate(v))
	}
	for v, want := range map[float64]string{0: "0 B", 999: "999 B", 999.6: "1.00 kB", 12345: "12.3 kB", 1e6: "1.00 MB", 5e18: "5.00 EB", 5e22: "50000 EB"} {
		assert.Equal(t, want, Spaces(Bytes(v)))
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 10456: "10.2 KiB", 1 << 20: "1.00 MiB", 5 << 30: "5.00 GiB"} {
		assert.Equal(t, want, Spaces(Memory(n)))
	}
	for part, want := range map[float64]string{0: "0 %", 1e-9: "under 0.01 %", 0.5: "0.50 %", 12.34: "12.3 %", 99.99: "99.9 %", 100: "100 %", 200: "200 %"} {
		assert.Equal(t, want, Spaces(Percent(part, 100)))
	}
	assert.Equal(t, "–", Percent(1, 0))
	assert.Equal(t, "1 stream", Plural(1, "stream"))
	assert.Equal(t, "0 streams", Plural(0, "stream"))
}

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain ä 高 text":         "plain ä 高 text",
		"\x1b[2J\x07\x7f\n\r\t":  `\x1b[2J\a\x7f\n\r\t`,
		"\u009b35m\u202e\u2066":  `\u009b35m\u202e\u2066`,
		"\u200b\ufeff\u2028x":    `\u200b\ufeff\u2028x`,
		"\U000e0041\xff\xc3(":    `\U000e0041\xff\xc3(`,
		"\\x1b stays what it is": `\x1b stays what it is`,
	} {
		assert.Equal(t, want, Visible(text))
	}
	assert.Equal(t, "abc", Clip("abc", 3))
	assert.Equal(t, "高高…", Clip("高高高高", 3))
	assert.Equal(t, "…", Clip("abc", 0))
}
