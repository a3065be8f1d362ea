package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestCleanText: what others had a part in is short, printable, and has no secrets of URLs.
func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain",
		`Get "https://user:pass@host/path?token=secret#x": refused`: `Get "https://host/path": refused`,
		"a\x1b[31mred\x00\u202e\n":                                  "a\uFFFD[31mred\uFFFD\uFFFD\uFFFD",
		"bad\xff":                                                   "bad\uFFFD",
		"http://a@b@c/?x y":                                         "http://c/ y",
		"ein Umlaut: ü":                                             "ein Umlaut: ü",
	} {
		assert.Equal(t, want, cleanText(in), in)
	}
	for _, long := range []string{strings.Repeat("a", 199), strings.Repeat("a", 10000), strings.Repeat("€", 10000), strings.Repeat("\x00", 10000)} {
		clean := cleanText(long)
		assert.LessOrEqual(t, len(clean), maxExample)
		assert.True(t, utf8.ValidString(clean))
	}
	for in, want := range map[string]string{
		"http://u:p@host:80/a/b?c=d#e": "http://host:80/a/b",
		"http://u:p%zz@host/?secret":   "host/",
		"http://host/%zz?secret":       "http://host/%zz",
		"opaque:secret":                "opaque:…",
	} {
		assert.Equal(t, want, cleanURL(in), in)
	}
}

// TestCauses: errors are of a bounded number of kinds, and the report has the most frequent first.
func TestCauses(t *testing.T) {
	op := func(err error) error {
		return &url.Error{Op: "Get", URL: "http://h/?secret", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	for err, want := range map[error]cause{
		op(syscall.ECONNREFUSED):                      {"connection refused", server},
		op(syscall.EMFILE):                            {"too many open files", client},
		op(syscall.EADDRNOTAVAIL):                     {"no free port", client},
		op(syscall.ETIMEDOUT):                         {"no answer from TCP", server},
		fmt.Errorf("x: %w", syscall.ECONNRESET):       {"connection reset", server},
		sse.ErrIdleTimeout:                            {"no answer in time", server},
		sse.ErrEventTooLarge:                          {"event too large", ""},
		io.EOF:                                        {"closed by the server", server},
		io.ErrUnexpectedEOF:                           {"cut", ""},
		&sse.UnfinishedError{}:                        {"closed inside an event", ""},
		&sse.ResponseError{StatusCode: 503}:           {"status 503", server},
		&sse.ResponseError{StatusCode: 200}:           {"200 without an event stream", server},
		&net.DNSError{Err: "no such host", Name: "h"}: {"name not resolved", ""},
		errKilled: {"cut by Kill", ""},
		errors.New("http2: server sent GOAWAY and closed"): {"GOAWAY of HTTP/2", server},
		errors.New("stream error: stream ID 1; CANCEL"):    {"RST_STREAM of HTTP/2", server},
		errors.New("anything"):                             {"other", ""},
	} {
		assert.Equal(t, want, causeOf(err), "%v", err)
	}
	var c causes
	for status := range 1000 {
		c.count(causeOf(&sse.ResponseError{StatusCode: status, Body: []byte("\x1b[2J")}), &sse.ResponseError{StatusCode: status, Body: []byte("\x1b[2J")})
	}
	counts := c.counts()
	assert.LessOrEqual(t, len(counts), maxCauses+1)
	assert.Equal(t, "other", counts[0].What)
	var sum int64
	for _, n := range counts {
		sum += n.N
		assert.NotContains(t, n.Example, "\x1b")
	}
	assert.EqualValues(t, 1000, sum)
	c = causes{}
	c.count(causeOf(op(syscall.EMFILE)), op(syscall.EMFILE))
	assert.NotContains(t, c.counts()[0].Example, "secret")
	assert.Equal(t, client, c.limit("too many open files"))
}

// TestTimeline: a run of days has no more steps than one of an hour, and nothing is lost when steps are joined.
func TestTimeline(t *testing.T) {
	tl := newTimeline()
	const seconds = 3*maxTimeline + 10
	for i := range seconds {
		tl.add(Second{At: time.Duration(i) * tick, Due: i, Open: i, Events: 1, Bytes: 10, Attempts: 2, Drops: 3, EventP99: time.Duration(i)})
		if i > 40 {
			tl.setSkew(int64(i-35), 0, time.Duration(i-35))
		}
	}
	step, steps := tl.report()
	assert.Equal(t, 4*time.Second, step)
	assert.LessOrEqual(t, len(steps), maxTimeline)
	var sum Second
	for i, s := range steps {
		assert.Equal(t, time.Duration(i)*step, s.At)
		sum.Events, sum.Bytes, sum.Attempts, sum.Drops = sum.Events+s.Events, sum.Bytes+s.Bytes, sum.Attempts+s.Attempts, sum.Drops+s.Drops
	}
	assert.Equal(t, Second{Events: seconds, Bytes: 10 * seconds, Attempts: 2 * seconds, Drops: 3 * seconds}, sum)
	assert.Equal(t, 403, steps[100].Open)
	assert.Equal(t, time.Duration(403), steps[100].EventP99)
	assert.Equal(t, time.Duration(403), steps[100].SkewP99)
}

// TestSkewWindow: the memory of events is bounded by their number and their age, and an event that has left it does
// not begin anew.
func TestSkewWindow(t *testing.T) {
	s, topic := newSkew(), newTopic(0)
	topic.streams = 3
	read := func(n int64, openSince, now time.Duration) (time.Duration, bool) {
		return s.read(topic, eventKey{number: n}, openSince, now)
	}
	_, ok := read(1, 0, time.Second)
	assert.False(t, ok, "the first")
	late, ok := read(1, 0, 1300*time.Millisecond)
	assert.True(t, ok)
	assert.Equal(t, 300*time.Millisecond, late)
	_, ok = read(1, 1100*time.Millisecond, 5*time.Second)
	assert.False(t, ok, "it was not open when the first one read it")
	p50, _ := s.lately(time.Second)
	assert.Equal(t, 300*time.Millisecond, p50)

	seconds := 0
	s.expire(20*time.Second, func(second int64, p50, p99 time.Duration) {
		seconds++
		assert.EqualValues(t, 1, second)
		assert.InDelta(t, 300*time.Millisecond, p50, float64(5*time.Millisecond))
	})
	assert.Equal(t, 1, seconds)
	_, ok = read(1, 0, 21*time.Second)
	assert.False(t, ok)
	_, ok = read(1, 0, 22*time.Second)
	assert.False(t, ok, "it has left the window")
	assert.EqualValues(t, 1, s.all.distribution().Count)

	const many = 10 * skewShards * skewEvents
	for n := range int64(many) {
		at := time.Minute + time.Duration(n)
		read(n, 0, at)
		read(n, 0, at+2*time.Millisecond)
	}
	for i := range s.shards {
		require.LessOrEqual(t, len(s.shards[i].ring), skewEvents)
		require.LessOrEqual(t, len(s.shards[i].at), skewEvents)
	}
	s.expire(time.Hour, func(int64, time.Duration, time.Duration) {})
	d := s.all.distribution()
	assert.GreaterOrEqual(t, d.Count, int64(many-1))
	assert.InDelta(t, 2*time.Millisecond, d.P50, float64(10*time.Microsecond))
	assert.Empty(t, s.perSecond)
}

// TestStormsAreBounded: a server that drops everything for days has no more than a hundred storms, and a storm
// whose streams are back holds no times.
func TestStormsAreBounded(t *testing.T) {
	s := newStorms(leastDropped)
	now := time.Duration(0)
	for range 500 {
		var dropped []*cohort
		for range 20 {
			dropped = append(dropped, s.drop(now, 20))
		}
		for i, c := range dropped {
			s.attempt(c, now+time.Second)
			if i%2 == 0 {
				s.back(c, now+time.Second)
			} else {
				s.over(c)
			}
		}
		now += 2 * time.Minute
		s.settle(now)
	}
	all := s.report()
	require.Len(t, all, maxStorms)
	for _, st := range s.all {
		require.True(t, st.settled)
		require.Nil(t, st.returned)
	}
	for _, st := range all {
		require.Equal(t, 20, st.Dropped)
		require.Equal(t, 10, st.Back)
		require.EqualValues(t, 20, st.Attempts)
		require.EqualValues(t, 20, st.Busiest)
		require.Equal(t, time.Second, st.Back50)
		require.Zero(t, st.Back99)
		require.Zero(t, st.Back100)
	}
	s = newStorms(1)
	c := s.drop(0, 0)
	for at := time.Duration(0); at < 24*time.Hour; at += time.Second {
		s.attempt(c, at)
	}
	assert.LessOrEqual(t, len(s.report()[0].Per100ms), maxSteps)
	assert.EqualValues(t, 86400, s.report()[0].Attempts)
}

// TestStormThreshold: five drops within a second that are a tenth of the open streams are a storm.
func TestStormThreshold(t *testing.T) {
	for _, c := range []struct {
		drops, open int
		over        time.Duration
		storms      int
	}{
		{4, 4, 0, 0}, {5, 45, 0, 1}, {5, 46, 0, 0}, {9, 90, 0, 0}, {10, 90, 0, 1},
		{10, 90, 900 * time.Millisecond, 1}, {10, 90, 1200 * time.Millisecond, 0},
	} {
		s := newStorms(leastDropped)
		for i := range c.drops {
			s.drop(time.Hour+c.over*time.Duration(i)/time.Duration(max(1, c.drops-1)), c.open+c.drops-1-i)
		}
		assert.Len(t, s.report(), c.storms, "%+v", c)
		if c.storms == 1 {
			assert.Equal(t, c.drops, s.report()[0].Dropped)
			assert.Equal(t, time.Hour, s.report()[0].At)
		}
	}
}
