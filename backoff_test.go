package sse_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// repeated is n times the same handler.
func repeated(n int, h http.HandlerFunc) []http.HandlerFunc {
	var handlers []http.HandlerFunc
	for range n {
		handlers = append(handlers, h)
	}
	return handlers
}

// waits ranges with the client's default policy of delays and returns the waits between
// the connections, which must be those that Trace was told.
func waits(t *testing.T, handlers ...http.HandlerFunc) []time.Duration {
	s := serve(t, handlers...)
	tr := record()
	c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, Trace: tr.trace()}
	_, err := all(t, c.Get(t.Context(), "http://memnet/"))
	require.NoError(t, err)
	require.Len(t, s.requests, len(handlers)+1)
	require.Len(t, tr.infos, len(handlers)+1)
	for i, wait := range tr.waits {
		require.Equal(t, tr.infos[i].Delay, wait)
	}
	return tr.waits
}

func requireWithin(t *testing.T, low, high, d time.Duration) {
	t.Helper()
	require.GreaterOrEqual(t, d, low)
	require.Less(t, d, high)
}

// TestDelayGrows: the n-th wait without progress is uniform in [d, 2d).
func TestDelayGrows(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for name, test := range map[string]struct {
		first http.HandlerFunc
		d     []time.Duration
	}{
		"default":         {stream(""), []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s, 30 * s}},
		"retry 0":         {stream("retry:0\n"), []time.Duration{10 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms}},
		"retry 2":         {stream("retry:2\n"), []time.Duration{10 * ms, 100 * ms, 200 * ms}},
		"retry 10":        {stream("retry:10\n"), []time.Duration{10 * ms, 100 * ms, 200 * ms}},
		"retry 11":        {stream("retry:11\n"), []time.Duration{11 * ms, 100 * ms, 200 * ms}},
		"retry 49":        {stream("retry:49\n"), []time.Duration{49 * ms, 100 * ms, 200 * ms}},
		"retry 51":        {stream("retry:51\n"), []time.Duration{51 * ms, 102 * ms, 204 * ms}},
		"retry 20 s":      {stream("retry:20000\n"), []time.Duration{20 * s, 30 * s, 30 * s}},
		"retry 30 s":      {stream("retry:30000\n"), []time.Duration{30 * s, 30 * s}},
		"retry 45 s":      {stream("retry:45000\n"), []time.Duration{45 * s, 45 * s, 45 * s}},
		"retry 1 h":       {stream("retry:3600000\n"), []time.Duration{time.Hour, time.Hour}},
		"retry 1 h, 1 ms": {stream("retry:3600001\n"), []time.Duration{time.Hour, time.Hour}},
		"retry for ever":  {stream("retry:99999999999999999999\n"), []time.Duration{time.Hour, time.Hour}},
		"retry in a 503":  {status(503), []time.Duration{s, 2 * s}}, // its body is no event stream
	} {
		in(t, name, func(t *testing.T) {
			got := waits(t, append([]http.HandlerFunc{test.first}, repeated(len(test.d)-1, stream(""))...)...)
			require.Len(t, got, len(test.d))
			for i, d := range test.d {
				requireWithin(t, d, 2*d, got[i])
			}
		})
	}
}

// TestDelayFollowsRetry: a retry field that comes without progress changes the waits of the
// series, which grow from where they are.
func TestDelayFollowsRetry(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	bubble(t, func(t *testing.T) {
		got := waits(t, stream(""), stream("retry:50\n"), stream("retry:1000\n"), stream("retry:20000\n"), stream(""), stream("retry:10\n"), stream(""))
		d := []time.Duration{s, 100 * ms, 4 * s, 30 * s, 30 * s, 1600 * ms, 3200 * ms}
		require.Len(t, got, len(d))
		for i, d := range d {
			requireWithin(t, d, 2*d, got[i])
		}
	})
}

// TestDelayIsSpread: from the first wait on, or a server's restart brings the herd at once.
func TestDelayIsSpread(t *testing.T) {
	quarters := [4]int{}
	for range 2000 {
		wait := sse.NewExponential(time.Second).NextBackOff()
		requireWithin(t, time.Second, 2*time.Second, wait)
		quarters[(wait-time.Second)/(250*time.Millisecond)]++
	}
	for _, n := range quarters { // 500 expected, with a deviation of 19
		assert.InDelta(t, 500, n, 150)
	}
	grown := sse.NewExponential(time.Second)
	least := time.Hour
	for i := range 2000 {
		if wait := grown.NextBackOff(); i >= 5 {
			requireWithin(t, 30*time.Second, time.Minute, wait)
			least = min(least, wait)
		}
	}
	assert.Less(t, least, 30500*time.Millisecond)
}

// TestRetryAfterAlone: a policy of no wait has no random part either.
func TestRetryAfterAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, status(503, "Retry-After", "7"), stream("data:1\n\n"))
		tr := record()
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, Trace: tr.trace(), NewBackoff: func(time.Duration) sse.Backoff {
			return backoffFunc(func() time.Duration { return 0 })
		}}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{7 * time.Second, 0}, tr.waits)
	})
}

// TestSecondWait: after a short reconnection time, the second wait begins at 100 ms sharp.
func TestSecondWait(t *testing.T) {
	shortest, longest := time.Hour, time.Duration(0)
	for range 5000 {
		b := sse.NewExponential(10 * time.Millisecond)
		requireWithin(t, 10*time.Millisecond, 20*time.Millisecond, b.NextBackOff())
		wait := b.NextBackOff()
		requireWithin(t, 100*time.Millisecond, 200*time.Millisecond, wait)
		shortest, longest = min(shortest, wait), max(longest, wait)
	}
	require.Less(t, shortest, 100500*time.Microsecond)
	require.Greater(t, longest, 199500*time.Microsecond)
}

// TestDelayAfterLongerRetry: the waits stay spread when the reconnection time grows between
// consecutive failures.
func TestDelayAfterLongerRetry(t *testing.T) {
	different := make(map[time.Duration]bool)
	for range 10 {
		bubble(t, func(t *testing.T) {
			got := waits(t, status(503), stream("retry:5000\n"), status(503))
			requireWithin(t, 1*time.Second, 2*time.Second, got[0])
			requireWithin(t, 10*time.Second, 20*time.Second, got[1])
			requireWithin(t, 20*time.Second, 40*time.Second, got[2])
			different[got[1]] = true
		})
	}
	require.Greater(t, len(different), 1)
}

func TestDelayIsNeverBelowTheServers(t *testing.T) {
	for range 100 {
		b := sse.NewExponential(45 * time.Second)
		for range 3 {
			requireWithin(t, 45*time.Second, 90*time.Second, b.NextBackOff())
		}
	}
}

// TestRetryAfter: not before it, and spread after it.
func TestRetryAfter(t *testing.T) {
	const s = time.Second
	for name, test := range map[string]struct {
		header    string
		low, high time.Duration
	}{
		"seconds":           {"7", 7 * s, 8 * s},
		"zero":              {"0", s, 2 * s},
		"clamped":           {"3601", time.Hour, time.Hour + s},
		"digits overflow":   {"99999999999999999999999", time.Hour, time.Hour + s},
		"date":              {"Sat, 01 Jan 2000 00:00:20 GMT", 20 * s, 21 * s},
		"RFC 850 date":      {"Saturday, 01-Jan-00 00:00:20 GMT", 20 * s, 21 * s},
		"date in the past":  {"Fri, 31 Dec 1999 23:00:00 GMT", s, 2 * s},
		"date next century": {"Fri, 01 Jan 2100 00:00:00 GMT", time.Hour, time.Hour + s},
		"negative":          {"-7", s, 2 * s},
		"no number":         {"soon", s, 2 * s},
		"fraction":          {"7.5", 7500 * time.Millisecond, 8500 * time.Millisecond},
		"small fraction":    {"0.5", s, 2 * s}, // the reconnection time is longer
		"long fraction":     {"7.000000000000000000001", 7 * s, 8 * s},
		"no fraction":       {"7.", s, 2 * s},
		"no whole part":     {".5", s, 2 * s},
		"two points":        {"7.5.5", s, 2 * s},
		"sign in fraction":  {"7.-5", s, 2 * s},
		"clamped fraction":  {"3600.5", time.Hour, time.Hour + s},
		"overflow, too":     {"99999999999999999999999.9", time.Hour, time.Hour + s},
		"empty":             {"", s, 2 * s},
	} {
		for _, code := range []int{408, 425, 429, 500, 502, 503, 504} {
			in(t, name+"/"+http.StatusText(code), func(t *testing.T) {
				got := waits(t, status(code, "Retry-After", test.header))
				requireWithin(t, test.low, test.high, got[0])
			})
		}
	}
	for name, test := range map[string]struct {
		headers   []string
		low, high time.Duration
	}{
		"milliseconds":               {[]string{"Retry-After-Ms", "7000"}, 7 * s, 8 * s},
		"milliseconds win":           {[]string{"Retry-After-Ms", "7000", "Retry-After", "100"}, 7 * s, 8 * s},
		"milliseconds of a fraction": {[]string{"Retry-After-Ms", "7000.5"}, 7*s + s/2000, 8*s + s/2000},
		"no number of milliseconds":  {[]string{"Retry-After-Ms", "soon", "Retry-After", "100"}, 100 * s, 101 * s},
		"negative milliseconds":      {[]string{"Retry-After-Ms", "-5", "Retry-After", "100"}, 100 * s, 101 * s},
		"empty milliseconds":         {[]string{"Retry-After-Ms", "", "Retry-After", "100"}, 100 * s, 101 * s},
		"milliseconds are clamped":   {[]string{"Retry-After-Ms", "3600001"}, time.Hour, time.Hour + s},
		"milliseconds overflow":      {[]string{"Retry-After-Ms", "99999999999999999999999"}, time.Hour, time.Hour + s},
		// The server's clock is two hours ahead, or behind: its Date says so.
		"date by a clock ahead":  {[]string{"Date", "Sat, 01 Jan 2000 02:00:00 GMT", "Retry-After", "Sat, 01 Jan 2000 02:00:20 GMT"}, 20 * s, 21 * s},
		"date by a clock behind": {[]string{"Date", "Fri, 31 Dec 1999 22:00:00 GMT", "Retry-After", "Fri, 31 Dec 1999 22:00:20 GMT"}, 20 * s, 21 * s},
		"date that has passed":   {[]string{"Date", "Sat, 01 Jan 2000 02:00:00 GMT", "Retry-After", "Sat, 01 Jan 2000 01:00:00 GMT"}, s, 2 * s},
		"date, and a bad Date":   {[]string{"Date", "today", "Retry-After", "Sat, 01 Jan 2000 00:00:20 GMT"}, 20 * s, 21 * s},
	} {
		in(t, name, func(t *testing.T) {
			got := waits(t, status(503, test.headers...))
			requireWithin(t, test.low, test.high, got[0])
		})
	}
	in(t, "grows with the row", func(t *testing.T) {
		far := 0
		for range 20 {
			got := waits(t, status(503), status(503), status(503), status(503, "Retry-After", "100"))
			requireWithin(t, 100*s, 108*s, got[3])
			if got[3] > 101*s {
				far++
			}
		}
		require.NotZero(t, far, "a spread of 8 s")
	})
	in(t, "never below the server's retry", func(t *testing.T) {
		got := waits(t, stream("retry:5000\n\ndata:1\n\n"), status(503, "Retry-After", "2"))
		requireWithin(t, 5*s, 15*s, got[1]) // d is 10 s by now
	})
	in(t, "custom Backoff", func(t *testing.T) {
		srv := serve(t, status(503, "Retry-After", "100"), status(503, "Retry-After", "100"))
		next := []time.Duration{3 * s, 200 * s}
		c := sse.Client{HTTPClient: srv.client, Reconnect: sse.Transient, NewBackoff: func(time.Duration) sse.Backoff { return &row{next} }}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		requireWithin(t, 100*s, 103*s, srv.waits()[0])
		requireWithin(t, 200*s, 300*s, srv.waits()[1])
	})
	in(t, "custom Backoff, Retry-After zero", func(t *testing.T) {
		srv := serve(t, status(503, "Retry-After", "0"), status(503))
		c := sse.Client{HTTPClient: srv.client, Reconnect: sse.Transient, NewBackoff: every(20 * s)}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{20 * s, 20 * s}, srv.waits(), "shortened by nothing")
	})
}

// A row is a Backoff of given waits.
type row struct{ next []time.Duration }

func (r *row) NextBackOff() time.Duration {
	d := r.next[0]
	r.next = r.next[1:]
	return d
}

// TestBackoff: built at the first failure after progress with the reconnection time, and
// asked once for each wait, which only the server's own retry lengthens.
func TestBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t,
			status(503), status(503), // no progress
			stream("retry:3000\n\n"),                   // none either, but the reconnection time holds
			stream("data:1\n\n"),                       // progress
			status(503),                                //
			stream("id:1\n\n"),                         // progress without an event
			stream("retry:1\nid:2\ndata:2\n\n"),        // progress
			stream("id:3\ndata:3\n\nretry:0\nretry:x"), // the last valid value stays
			stream("id:4\ndata:4\n\n"),
			stream("data:5\n\nid:4\ndata:4\n\n"), // none: the ID in force is what it was
		)
		var initial []time.Duration
		asked := 0
		c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, NewBackoff: func(d time.Duration) sse.Backoff {
			initial = append(initial, d)
			return backoffFunc(func() time.Duration { asked++; return 0 })
		}}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		const ms, sec = time.Millisecond, time.Second
		require.Equal(t, []time.Duration{sec, 3 * sec, 3 * sec, 10 * ms, 10 * ms, 10 * ms}, initial)
		require.Equal(t, 10, asked)
		require.Equal(t, []time.Duration{0, 0, 3 * sec, 3 * sec, 3 * sec, 3 * sec, 10 * ms, 10 * ms, 10 * ms, 10 * ms}, s.waits())
	})
}

// TestOpenAsLongAsTheWait is no progress yet.
func TestOpenAsLongAsTheWait(t *testing.T) {
	for open, built := range map[time.Duration]int{2 * time.Second: 1, 2*time.Second + 1: 2} {
		in(t, open.String(), func(t *testing.T) {
			s := serve(t, status(503), func(w http.ResponseWriter, r *http.Request) { send(w, ":\n"); pause(r, open) })
			n := 0
			c := sse.Client{HTTPClient: s.client, Reconnect: sse.Transient, NewBackoff: func(time.Duration) sse.Backoff {
				n++
				return backoffFunc(func() time.Duration { return 2 * time.Second })
			}}
			_, err := all(t, c.Get(t.Context(), "http://memnet/"))
			require.NoError(t, err)
			require.Equal(t, built, n)
		})
	}
}

type backoffFunc func() time.Duration

func (f backoffFunc) NextBackOff() time.Duration { return f() }

// TestProgress: what makes the next wait a first one again.
func TestProgress(t *testing.T) {
	sleepy := func(d time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			send(w, ":\n")
			time.Sleep(d)
		}
	}
	for name, test := range map[string]struct {
		last http.HandlerFunc // after two failures; the wait before it was in [2 s, 4 s)
		want time.Duration    // d of the wait after it
	}{
		"an event":                      {stream("data:1\n\n"), time.Second},
		"an ID":                         {stream("id:1\n\n"), time.Second},
		"open for longer than the wait": {sleepy(4 * time.Second), time.Second},
		"a bare 200":                    {stream(""), 4 * time.Second},
		"comments and retry":            {stream(":hello\nretry:1000\n\n"), 4 * time.Second},
		"an unfinished event":           {stream("id:1\ndata:1\n"), 4 * time.Second},
		"an event without data":         {stream("event:ping\n\n"), 4 * time.Second},
		"an ID that stays":              {stream("id:\n\n"), 4 * time.Second},
		"open for less than the wait":   {sleepy(2*time.Second - 1), 4 * time.Second},
	} {
		in(t, name, func(t *testing.T) {
			got := waits(t, stream(""), status(503), test.last)
			requireWithin(t, time.Second, 2*time.Second, got[0])
			requireWithin(t, 2*time.Second, 4*time.Second, got[1])
			requireWithin(t, test.want, 2*test.want, got[2])
		})
	}
}

// TestAcceptAndClose: a server that accepts and closes is not hit at the base rate for
// ever, and a busy stream's drops are.
func TestAcceptAndClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		waits(t, repeated(20, stream(strings.Repeat(":\n", 100)))...)
		require.Greater(t, time.Since(start), 6*time.Minute)
		start = time.Now()
		waits(t, repeated(20, stream("data:1\n\n"))...)
		require.Less(t, time.Since(start), 40*time.Second)
	})
}

// TestLongLife: nothing counts healthy time against the stream.
func TestLongLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		day := func(w http.ResponseWriter, r *http.Request) {
			for range 24 {
				send(w, "data:1\n\n")
				pause(r, time.Hour)
			}
		}
		s := serve(t, repeated(30, day)...)
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Len(t, got, 30*24)
		for _, wait := range s.waits() {
			requireWithin(t, 24*time.Hour+time.Second, 24*time.Hour+2*time.Second, wait)
		}
	})
}

// TestReconnectionTime: the client's, until the server's retry says otherwise.
func TestReconnectionTime(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for set, want := range map[time.Duration]time.Duration{
		0: s, -s: 10 * ms, ms: 10 * ms, 9 * ms: 10 * ms, 10 * ms: 10 * ms, 50 * ms: 50 * ms, 20 * s: 20 * s,
		time.Hour: time.Hour, time.Hour + 1: time.Hour, 1 << 62: time.Hour,
	} {
		in(t, set.String(), func(t *testing.T) {
			srv := serve(t, stream(""), stream("retry:3000\ndata:1\n\n"), stream("data:2\n\n"))
			tr := record()
			var initial []time.Duration
			c := sse.Client{HTTPClient: srv.client, ReconnectionTime: set, Trace: tr.trace(), NewBackoff: func(d time.Duration) sse.Backoff {
				initial = append(initial, d)
				return every(0)(d)
			}}
			_, err := all(t, c.Get(t.Context(), "http://memnet/"))
			require.NoError(t, err)
			require.Equal(t, []time.Duration{want, 3 * s, 3 * s}, initial)
			require.Equal(t, []time.Duration{0, 3 * s, 3 * s}, tr.waits)

			srv = serve(t, stream(""), stream("retry:3000\ndata:1\n\n"))
			tr = record()
			c = sse.Client{HTTPClient: srv.client, ReconnectionTime: set, Trace: tr.trace()}
			_, err = all(t, c.Get(t.Context(), "http://memnet/"))
			require.NoError(t, err)
			requireWithin(t, want, 2*want, tr.waits[0])
			requireWithin(t, 3*s, 6*s, tr.waits[1])
		})
	}
}

// TestReplayingServer: a server that sends the same event to each connection brings the
// stream no further, so that a Backoff that gives up does.
func TestReplayingServer(t *testing.T) {
	for name, text := range map[string]string{
		"one event":  "retry:10\nid:1\ndata:1\n\n",
		"two events": "retry:10\nid:0\ndata:0\n\nid:1\ndata:1\n\n",
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, repeated(100, stream(text))...)
			c := sse.Client{HTTPClient: s.client, NewBackoff: func(d time.Duration) sse.Backoff {
				return backoff.WithMaxRetries(backoff.NewConstantBackOff(d), 3)
			}}
			_, err := all(t, c.Get(t.Context(), "http://memnet/"))
			require.EqualError(t, err, "sse: giving up: EOF")
			require.Len(t, s.requests, 4, "one that moved the ID, and three retries")
		})
	}
	in(t, "events without an ID in force", func(t *testing.T) {
		s := serve(t, repeated(20, stream("data:1\n\n"))...)
		c := sse.Client{HTTPClient: s.client, NewBackoff: func(d time.Duration) sse.Backoff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(d), 3)
		}}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Len(t, s.requests, 21)
	})
}
