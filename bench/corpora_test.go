package bench

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/reference"
)

// small are the corpora that every client can read in no time.
func small() []Corpus {
	var small []Corpus
	for _, c := range Corpora() {
		if c.Piece == 0 {
			small = append(small, c)
		}
	}
	return small
}

// TestCorpora reads what the corpora send by the standard's own algorithm: it is what they say.
func TestCorpora(t *testing.T) {
	// The reference is too slow for the large ones: less of the same stands for them.
	for _, c := range append(small(), oneLine("a line", "", 2, 1<<16, 0), manyLines("lines", "", 500, 0)) {
		t.Run(c.Name, func(t *testing.T) {
			got := reference.Parse(c.Stream(), "")
			require.Nil(t, got.Unfinished)
			require.Len(t, got.Events, c.N)
			for i, ev := range got.Events {
				require.Equal(t, c.Event(i), Event(ev))
			}
		})
	}
}

func TestCorporaAreWhatTheirNamesSay(t *testing.T) {
	streams := make(map[string]string)
	for _, c := range Corpora() {
		streams[c.Name] = string(c.Stream())
	}
	assert.NotContains(t, streams["llm"], "\r")
	assert.Equal(t, streams["llm"], strings.ReplaceAll(streams["llm-crlf"], "\r\n", "\n"))
	assert.Equal(t, streams["llm"], strings.ReplaceAll(streams["llm-cr"], "\r", "\n"))
	for name, size := range map[string]int{"llm-russian": 2, "llm-chinese": 3, "llm-emoji": 4} {
		others := 0 // bytes of characters that are not ASCII
		for _, r := range streams[name] {
			if r > 0x7f {
				assert.Equal(t, size, utf8.RuneLen(r), "%s: %c", name, r)
				others += size
			}
		}
		assert.InDelta(t, 1.0/3, float64(others)/float64(len(streams[name])), 0.07, name)
	}
	assert.InDelta(t, 220, len(streams["llm"])/5000, 20)
	assert.Equal(t, 100, strings.Count(streams["heartbeats"], ":")/1000-1)
}

// TestSubjects: what each client makes of each corpus. A client that fails is shown as
// failing in RESULTS.md. The failures are listed here, so that a new release of a peer that
// changes one is noticed.
func TestSubjects(t *testing.T) {
	const decoded = "after 0 of 5000 events: gives JSON decoded, not the data"
	fails := map[string]string{
		"llm jetify/sse":          decoded,
		"llm-crlf jetify/sse":     decoded,
		"llm-cr jetify/sse":       decoded,
		"llm-chinese jetify/sse":  decoded,
		"llm-russian jetify/sse":  decoded,
		"llm-emoji jetify/sse":    decoded,
		"llm-cr openai-go":        "0 of 5000 events",
		"llm-cr anthropic-sdk-go": "0 of 5000 events",
		"feed openai-go":          "gives no IDs",
		"feed anthropic-sdk-go":   "gives no IDs",
	}
	for _, c := range small() {
		for _, s := range append(Ours(), Peers()...) {
			got := ""
			if err := check(s, c, time.Minute); err != nil {
				got = err.Error()
			}
			assert.Equal(t, fails[c.Name+" "+s.Name], got, "%s, %s", c.Name, s.Name)
		}
	}
	for _, c := range append(Corpora(), OneRead()) {
		for _, s := range Ours() {
			assert.NoError(t, check(s, c, time.Minute), "%s, %s", c.Name, s.Name)
		}
	}
}

// TestDrain: what is timed reads all of the data, as often as it is there.
func TestDrain(t *testing.T) {
	const times = 2
	for _, c := range small() {
		if c.Name != "llm" && c.Name != "feed" && c.Name != "multiline" {
			continue
		}
		stream := c.Stream()
		data := 0
		for i := range c.N {
			data += len(c.Event(i).Data)
		}
		for _, s := range append(Ours(), Peers()...) {
			if err := check(s, c, time.Minute); err != nil && err != errNoIDs {
				continue
			}
			got, err := s.Drain(&memory{stream: stream, times: times})
			require.NoError(t, err, "%s, %s", c.Name, s.Name)
			assert.Equal(t, times*data, got, "%s, %s", c.Name, s.Name)
		}
		for _, s := range Limits() {
			got, err := s.Drain(&memory{stream: stream, times: times})
			require.NoError(t, err)
			lines := times * strings.Count(string(stream), "\n")
			assert.InDelta(t, times*len(stream), got, float64(lines), "%s, %s", c.Name, s.Name)
		}
	}
}

// TestCheck sees what is wrong.
func TestCheck(t *testing.T) {
	feed := Corpora()[7]
	require.Equal(t, "feed", feed.Name)
	with := func(change func(*Event)) func(int) Event {
		return func(i int) Event {
			ev := feed.Event(i)
			change(&ev)
			return ev
		}
	}
	for want, event := range map[string]func(int) Event{
		"wrong data in event 1 of 1000":       with(func(ev *Event) { ev.Data += "x" }),
		"wrong type or ID in event 1 of 1000": with(func(ev *Event) { ev.Type = "message" }),
		"wrong type or ID in event 2 of 1000": with(func(ev *Event) { ev.LastEventID = "0" }),
	} {
		c := feed
		c.Event = event
		assert.EqualError(t, check(Ours()[0], c, time.Minute), want)
	}
	fewer, more := feed, feed
	fewer.N, more.N = 999, 1001
	fewer.Wire = func(i int) string { return feed.Wire(i) + strings.Repeat(feed.Wire(i+1), i/998) }
	more.Wire = func(i int) string { return strings.Repeat(feed.Wire(i), 1-i/1000) }
	assert.EqualError(t, check(Ours()[0], fewer, time.Minute), "more than the 999 events")
	assert.EqualError(t, check(Ours()[0], more, time.Minute), "1000 of 1001 events")
	assert.ErrorIs(t, check(Ours()[0], feed, 0), errSlow)
}

// TestUTF8: bytes that are no UTF-8 become U+FFFD here, and nowhere else.
func TestUTF8(t *testing.T) {
	for _, s := range append(Ours(), Peers()...) {
		want := "a\xffb"
		if strings.HasPrefix(s.Name, "sse.") {
			want = "a\ufffdb"
		}
		var got []string
		for ev, err := range s.Events(&memory{stream: []byte("data: a\xffb\n\n"), times: 1}) {
			require.NoError(t, err, s.Name)
			got = append(got, ev.Data)
		}
		assert.Equal(t, []string{want}, got, s.Name)
	}
}
