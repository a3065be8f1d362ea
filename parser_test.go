package sse_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/reference"
)

// outcome is everything that a Parser makes of a stream.
type outcome struct {
	Events      []sse.Event
	Comments    []string
	Unknown     []string
	LastEventID string
	Retry       time.Duration
	HasRetry    bool
	Err         error
}

// parse reads r to its end with p, through both of the Parser's faces.
func parse(t testing.TB, p *sse.Parser, r io.Reader) outcome {
	t.Helper()
	var o outcome
	p.Comment = func(text []byte) { o.Comments = append(o.Comments, string(text)) }
	p.Unknown = func(line []byte) { o.Unknown = append(o.Unknown, string(line)) }
	p.Reset(r)
	for {
		if o.Err = p.Next(); o.Err != nil {
			break
		}
		ev := p.Event()
		if ev.Type != p.Type() || ev.Data != string(p.Data()) || ev.LastEventID != p.LastEventID() {
			t.Fatalf("Event is %q, but the accessors say %q, %q, %q", ev, p.Type(), p.Data(), p.LastEventID())
		}
		o.Events = append(o.Events, ev)
	}
	if again := p.Next(); again != o.Err {
		t.Fatalf("Next returned %v, and then %v", o.Err, again)
	}
	if p.Event() != (sse.Event{LastEventID: p.LastEventID()}) {
		t.Fatalf("an event after the end: %q", p.Event())
	}
	o.LastEventID = p.LastEventID()
	o.Retry, o.HasRetry = p.Retry()
	return o
}

// byTheStandard is the outcome of the reference.
func byTheStandard(stream []byte) outcome {
	ref := reference.Parse(stream, "")
	o := outcome{Comments: ref.Comments, Unknown: ref.Unknown, LastEventID: ref.LastEventID, HasRetry: ref.Retry != nil, Err: io.EOF}
	for _, ev := range ref.Events {
		o.Events = append(o.Events, sse.Event(ev))
	}
	if o.HasRetry {
		o.Retry = math.MaxInt64
		if ref.Retry.IsInt64() && ref.Retry.Int64() <= math.MaxInt64/int64(time.Millisecond) {
			o.Retry = time.Duration(ref.Retry.Int64()) * time.Millisecond
		}
	}
	if ref.Unfinished != nil {
		o.Err = &sse.UnfinishedError{Event: sse.Event(*ref.Unfinished)}
	}
	return o
}

// cutReader gives one piece of a stream for each Read. A piece that does not fit the
// buffer takes several.
type cutReader struct {
	pieces [][]byte
}

func cutAt(stream []byte, cuts ...int) *cutReader {
	r, from := new(cutReader), 0
	for _, at := range append(cuts, len(stream)) {
		r.pieces = append(r.pieces, stream[from:at])
		from = at
	}
	return r
}

func (r *cutReader) Read(b []byte) (int, error) {
	for len(r.pieces) > 0 && len(r.pieces[0]) == 0 {
		r.pieces = r.pieces[1:]
	}
	if len(r.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.pieces[0])
	r.pieces[0] = r.pieces[0][n:]
	return n, nil
}

// everyN cuts a stream into pieces of n bytes.
func everyN(stream []byte, n int) io.Reader {
	var cuts []int
	for at := n; at < len(stream); at += n {
		cuts = append(cuts, at)
	}
	return cutAt(stream, cuts...)
}

// atRandom cuts a stream into about n pieces.
func atRandom(stream []byte, rng *rand.Rand, n int) io.Reader {
	cuts := make([]int, n)
	for i := range cuts {
		cuts[i] = rng.IntN(len(stream) + 1)
	}
	slices.Sort(cuts)
	return cutAt(stream, cuts...)
}

// everyCut calls f with the stream cut into reads in many ways: whole, by bytes, in twos, with
// the error of the last read after it or with it, at random and, if it is
// short, at every position.
func everyCut(stream []byte, f func(name string, r io.Reader)) {
	f("whole", bytes.NewReader(stream))
	f("whole, EOF with the last bytes", iotest.DataErrReader(bytes.NewReader(stream)))
	f("byte by byte", iotest.OneByteReader(bytes.NewReader(stream)))
	f("two by two", everyN(stream, 2))
	rng := rand.New(rand.NewPCG(1, uint64(len(stream))))
	for range 5 {
		f("at random", atRandom(stream, rng, 1+rng.IntN(9)))
	}
	if len(stream) <= 300 {
		for i := range stream {
			f("in two pieces", cutAt(stream, i))
		}
	}
}

// expect parses the stream in every cut, with its line ends as they are, and compares it
// with want and with the reference, which also has the unknown lines if want has none.
func expect(t *testing.T, stream string, want outcome) {
	t.Helper()
	if want.Err == nil {
		want.Err = io.EOF
	}
	ref := byTheStandard([]byte(stream))
	if want.Unknown == nil {
		want.Unknown = ref.Unknown
	}
	require.Equal(t, want, ref, "reference: %q", stream)
	everyCut([]byte(stream), func(name string, r io.Reader) {
		require.Equal(t, want, parse(t, new(sse.Parser), r), "%s: %q", name, stream)
	})
}

// withEachLineEnd calls f with the stream's LFs as they are, as CRs, as CRLFs, and mixed.
func withEachLineEnd(stream string, f func(stream string)) {
	f(stream)
	f(strings.ReplaceAll(stream, "\n", "\r"))
	f(strings.ReplaceAll(stream, "\n", "\r\n"))
	mixed, ends := []byte(nil), []string{"\r\n", "\r", "\n", "\n", "\r"}
	for i, line := range strings.SplitAfter(stream, "\n") {
		end := ends[i%len(ends)]
		if body, ok := strings.CutSuffix(line, "\n"); ok {
			if end == "\n" && bytes.HasSuffix(mixed, []byte("\r")) {
				end = "\r" // an LF here would be the end of a CRLF
			}
			mixed = append(append(mixed, body...), end...)
		} else {
			mixed = append(mixed, line...)
		}
	}
	f(string(mixed))
}

func message(data string) sse.Event { return sse.Event{Type: "message", Data: data} }

func unfinished(typ, data, id string) error {
	return &sse.UnfinishedError{Event: sse.Event{Type: typ, Data: data, LastEventID: id}}
}

// TestStandard is the checklist of the standard's parsing rules. Events are written
// type|data|id.
func TestStandard(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		stream string
		want   outcome
	}{
		// Bytes and lines.
		"BOM goes":                     {"\ufeffdata:1\n\n", outcome{Events: []sse.Event{message("1")}}},
		"second BOM is part of a name": {"\ufeff\ufeffdata:1\n\ndata:2\n\n", outcome{Events: []sse.Event{message("2")}}},
		"later BOM is part of a name":  {"data:1\n\n\ufeffdata:2\n\n", outcome{Events: []sse.Event{message("1")}}},
		"BOM in data stays":            {"data:\ufeff1\n\n", outcome{Events: []sse.Event{message("\ufeff1")}}},
		"BOM before a comment":         {"\ufeff:c\n", outcome{Comments: []string{"c"}}},
		"BOM before a blank line":      {"\ufeff\ndata:1\n\n", outcome{Events: []sse.Event{message("1")}}},
		"BOM alone":                    {"\ufeff", outcome{}},
		"half a BOM":                   {"\xef\xbbdata:1\n\ndata:2\n\n", outcome{Events: []sse.Event{message("2")}}},
		"other line ends end no line": {"data:a\u2028b\u2029c\u0085d\ve\ff\n\n",
			outcome{Events: []sse.Event{message("a\u2028b\u2029c\u0085d\ve\ff")}}},
		"unfinished block": {"data:1\nid:1\nevent:e\n\ndata:2\nid:2\nevent:f\n",
			outcome{Events: []sse.Event{{Type: "e", Data: "1", LastEventID: "1"}}, LastEventID: "1", Err: unfinished("f", "2", "2")}},
		"unfinished line":      {"data:1\n\ndata:2", outcome{Events: []sse.Event{message("1")}, Err: unfinished("message", "2", "")}},
		"unfinished ID":        {"id:1", outcome{Err: unfinished("message", "", "1")}},
		"block of an ID alone": {"id:1\n", outcome{Err: unfinished("message", "", "1")}},
		"comment at the end":   {"data:1\n\n:c\n", outcome{Events: []sse.Event{message("1")}, Comments: []string{"c"}}},
		"nothing":              {"", outcome{}},
		"blank lines alone":    {"\n\n\n", outcome{}},

		// Fields.
		"first colon":            {"data:a:b:c\n\n", outcome{Events: []sse.Event{message("a:b:c")}}},
		"one space goes":         {"data:  a\n\n", outcome{Events: []sse.Event{message(" a")}}},
		"tab stays":              {"data:\ta\n\n", outcome{Events: []sse.Event{message("\ta")}}},
		"space at the end stays": {"data: a \n\n", outcome{Events: []sse.Event{message("a ")}}},
		"no colon":               {"data\n\n", outcome{Events: []sse.Event{message("")}}},
		"no colon, then data":    {"data\ndata:x\ndata\n\n", outcome{Events: []sse.Event{message("\nx\n")}}},
		"two empty data":         {"data:\ndata:\n\n", outcome{Events: []sse.Event{message("\n")}}},
		"names are exact": {"Data:1\n data:2\nda-ta:3\ndata\x00:4\ndata :5\ndat:6\ndatab\n\x00data:7\nIDs:8\n\n",
			outcome{}},
		"names may hold anything": {"\xff\xfe\nfoo\n日本:x\ndata:1\n\n", outcome{Events: []sse.Event{message("1")}}},
		"event":                   {"event:e\ndata:1\n\n", outcome{Events: []sse.Event{{Type: "e", Data: "1"}}}},
		"event: last one counts":  {"event:e\nevent:f\ndata:1\n\n", outcome{Events: []sse.Event{{Type: "f", Data: "1"}}}},
		"event empty":             {"event:e\nevent:\ndata:1\n\nevent\ndata:2\n\n", outcome{Events: []sse.Event{message("1"), message("2")}}},
		"event is forgotten":      {"event:e\n\ndata:1\n\n", outcome{Events: []sse.Event{message("1")}}},
		"event is not sticky":     {"event:e\ndata:1\n\ndata:2\n\n", outcome{Events: []sse.Event{{Type: "e", Data: "1"}, message("2")}}},
		"events named open and error": {"event:open\ndata\n\nevent:error\ndata\n\n",
			outcome{Events: []sse.Event{{Type: "open"}, {Type: "error"}}}},
		"id is sticky": {"id:1\ndata:a\n\ndata:b\n\n", outcome{LastEventID: "1",
			Events: []sse.Event{{Type: "message", Data: "a", LastEventID: "1"}, {Type: "message", Data: "b", LastEventID: "1"}}}},
		"id with NUL is ignored": {"id:1\nid:2\x00\ndata:a\n\n", outcome{LastEventID: "1",
			Events: []sse.Event{{Type: "message", Data: "a", LastEventID: "1"}}}},
		"id empty clears": {"id:1\ndata:a\n\nid\ndata:b\n\n", outcome{
			Events: []sse.Event{{Type: "message", Data: "a", LastEventID: "1"}, message("b")}}},
		"id without data":  {"id:1\n\n", outcome{LastEventID: "1"}},
		"id after data":    {"data:a\nid:1\n\n", outcome{LastEventID: "1", Events: []sse.Event{{Type: "message", Data: "a", LastEventID: "1"}}}},
		"id of many words": {"id: [{\"topic\":\"x y\",\"offset\":-1}]\n\n", outcome{LastEventID: `[{"topic":"x y","offset":-1}]`}},

		// retry: only digits, and at once.
		"retry":                    {"retry:15\n\n", outcome{Retry: 15 * ms, HasRetry: true}},
		"retry with a space":       {"retry: 15\n\n", outcome{Retry: 15 * ms, HasRetry: true}},
		"retry without blank line": {"retry:15\n", outcome{Retry: 15 * ms, HasRetry: true}},
		"retry without line end":   {"retry:15", outcome{}},
		"retry is decimal":         {"retry:0017\n", outcome{Retry: 17 * ms, HasRetry: true}},
		"retry zero":               {"retry:0\n", outcome{HasRetry: true}},
		"retry: last valid counts": {"retry:15\nretry:16\nretry:x\n", outcome{Retry: 16 * ms, HasRetry: true}},
		"retry saturates":          {"retry:99999999999999999999\n", outcome{Retry: math.MaxInt64, HasRetry: true}},
		"retry at its largest":     {"retry:9223372036854\n", outcome{Retry: 9223372036854 * ms, HasRetry: true}},
		"retry past its largest":   {"retry:9223372036855\n", outcome{Retry: math.MaxInt64, HasRetry: true}},
		"retry near int64":         {"retry:9223372036854775807\n", outcome{Retry: math.MaxInt64, HasRetry: true}},
		"retry past int64":         {"retry:9223372036854775808\n", outcome{Retry: math.MaxInt64, HasRetry: true}},
		"retry that is no number": {"retry\nretry:\nretry: \nretry:+5\nretry:1_000\nretry:10abc\nretry:-1\nretry:  7\n" +
			"retry:7 \nretry:1.5\nretry:0x10\nretry:１\nretry:/\nretry:5;\nretry::5\n\n", outcome{}},

		"the package doc's stream": {": a comment, which keeps the connection alive\nretry: 5000\n\n" +
			"event: change\nid: 7\ndata: {\"on\":\ndata:  true}\n\ndata: more\n\n",
			outcome{Comments: []string{" a comment, which keeps the connection alive"}, Retry: 5 * time.Second, HasRetry: true, LastEventID: "7",
				Events: []sse.Event{{Type: "change", Data: "{\"on\":\n true}", LastEventID: "7"}, {Type: "message", Data: "more", LastEventID: "7"}}}},

		// Dispatch, comments.
		"block without data": {"event:e\nid:1\nretry:5\n:c\nfoo:bar\n\ndata:1\n\n", outcome{Comments: []string{"c"}, LastEventID: "1",
			Retry: 5 * ms, HasRetry: true, Events: []sse.Event{{Type: "message", Data: "1", LastEventID: "1"}}}},
		"comments":                               {":\n: a\n::b\ndata:1\n:c\ndata:2\n\n", outcome{Comments: []string{"", " a", ":b", "c"}, Events: []sse.Event{message("1\n2")}}},
		"a hub's heartbeat, without blank lines": {":\n:\n:\n", outcome{Comments: []string{"", "", ""}}},
		"a ping without data":                    {"event: ping\n\n", outcome{}},
	} {
		t.Run(name, func(t *testing.T) {
			withEachLineEnd(test.stream, func(stream string) { expect(t, stream, test.want) })
		})
	}
}

func TestMixedLineEnds(t *testing.T) {
	expect(t, "data:test\r\ndata\ndata:test\r\n\r", outcome{Events: []sse.Event{message("test\n\ntest")}})
	expect(t, "data:1\r\rdata:2\n\ndata:3\r\n\r\ndata:4\n\rdata:5\r\n\n", outcome{
		Events: []sse.Event{message("1"), message("2"), message("3"), message("4"), message("5")}})
	expect(t, "data:1\n\r\n", outcome{Events: []sse.Event{message("1")}})
	expect(t, "\r\n\r\n\n\rdata:1\r\n\r\n", outcome{Events: []sse.Event{message("1")}})
}

// TestMalformedUTF8 counts one U+FFFD for each maximal subpart.
func TestMalformedUTF8(t *testing.T) {
	for in, out := range map[string]string{
		"\xff\xff":                 "\ufffd\ufffd",
		"\xe2\x82x":                "\ufffdx",
		"\xf0\x9f\x98":             "\ufffd",
		"\xed\xa0\x80":             "\ufffd\ufffd\ufffd", // a surrogate
		"\xc0\x80":                 "\ufffd\ufffd",       // overlong
		"\xe0\x9f\x80":             "\ufffd\ufffd\ufffd",
		"\xf0\x8f\x80\x80":         "\ufffd\ufffd\ufffd\ufffd",
		"\xf4\x90\x80\x80":         "\ufffd\ufffd\ufffd\ufffd", // past U+10FFFF
		"\x80\x80":                 "\ufffd\ufffd",
		"\xe2\xe2\x82\xac":         "\ufffd€",
		"\xf0\x9f\xf0\x9f\x98\x80": "\ufffd😀",
		"a\xc3":                    "a\ufffd",
		"\ufffd":                   "\ufffd",
		"€😀é":                      "€😀é",
	} {
		expect(t, "data:"+in+"\n\n", outcome{Events: []sse.Event{message(out)}})
		expect(t, "data:1\n\ndata:"+in+"\rdata:€"+in+"\r\n\r\ndata:2\n\n",
			outcome{Events: []sse.Event{message("1"), message(out + "\n€" + out), message("2")}})
		expect(t, "id:"+in+"\nevent:"+in+"\ndata:\n:"+in+"\n\n", outcome{LastEventID: out, Comments: []string{out},
			Events: []sse.Event{{Type: out, LastEventID: out}}})
	}
}

// TestMalformedUTF8IsFoundWhereItIs has bad bytes in some events of a long stream, so that
// fills of the buffer with and without them alternate.
func TestMalformedUTF8IsFoundWhereItIs(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var stream []byte
	for range 3000 {
		stream = append(stream, "id: "...)
		stream = append(stream, strings.Repeat("ü", rng.IntN(3))...)
		if rng.IntN(200) == 0 {
			stream = append(stream, 0xc3)
		}
		stream = append(stream, "\n:€\ndata: "...)
		stream = append(stream, strings.Repeat("日本", rng.IntN(60))...)
		if rng.IntN(300) == 0 {
			stream = append(stream, 0xe6, 0x97)
		}
		stream = append(stream, "\ndata: x\n\n"...)
	}
	want := byTheStandard(stream)
	require.Len(t, want.Events, 3000)
	everyCut(stream, func(name string, r io.Reader) {
		require.Equal(t, want, parse(t, new(sse.Parser), r), name)
	})
}

// TestDispatchAtOnce sends no byte after the blank line: the event must be there.
func TestDispatchAtOnce(t *testing.T) {
	withEachLineEnd("data:1\n\n", func(event string) {
		r, w := io.Pipe()
		t.Cleanup(func() { w.Close() })
		p := sse.NewParser(r)
		for range 3 {
			go w.Write([]byte(event))
			require.NoError(t, p.Next())
			require.Equal(t, message("1"), p.Event())
		}
	})
}

// TestCommentAtOnce: a keep-alive is seen when its line ends.
func TestCommentAtOnce(t *testing.T) {
	withEachLineEnd(":hello\n", func(comment string) {
		r, w := io.Pipe()
		got := make(chan string, 1)
		p := sse.NewParser(r)
		p.Comment = func(text []byte) { got <- string(text) }
		end := make(chan error)
		go func() { end <- p.Next() }()
		_, err := w.Write([]byte(comment))
		require.NoError(t, err)
		require.Equal(t, "hello", <-got)
		w.Close()
		require.ErrorIs(t, <-end, io.EOF)
	})
}

func TestReset(t *testing.T) {
	p := sse.NewParser(strings.NewReader("retry:5\nid:1\ndata:a\n\nid:2\nevent:e\ndata:lost\r"))
	require.NoError(t, p.Next())
	require.ErrorIs(t, p.Next(), io.ErrUnexpectedEOF)

	p.Reset(strings.NewReader("\n\ufeffdata:b\n\ndata:c\n\n")) // LF is not the end of the dead connection's CR
	require.NoError(t, p.Next())
	assert.Equal(t, sse.Event{Type: "message", Data: "c", LastEventID: "1"}, p.Event(), "neither data nor type nor ID of the dead connection")
	retry, ok := p.Retry()
	assert.True(t, ok)
	assert.Equal(t, 5*time.Millisecond, retry)

	p.Reset(strings.NewReader("\ufeffdata:d\n\n"))
	require.NoError(t, p.Next(), "each connection may begin with a BOM")
	assert.Equal(t, "d", string(p.Data()))
}

func TestReaderErrors(t *testing.T) {
	broken := errors.New("broken")
	p := sse.NewParser(io.MultiReader(strings.NewReader("data:1\n\ndata:2\n"), iotest.ErrReader(broken)))
	require.NoError(t, p.Next())
	require.Equal(t, broken, p.Next(), "not dressed as anything else")
	require.Equal(t, broken, p.Next())

	require.Equal(t, io.ErrNoProgress, sse.NewParser(readerFunc(func([]byte) (int, error) { return 0, nil })).Next())
	require.ErrorContains(t, sse.NewParser(readerFunc(func([]byte) (int, error) { return -1, nil })).Next(), "impossible count")
	require.ErrorContains(t, sse.NewParser(readerFunc(func(b []byte) (int, error) { return len(b) + 1, nil })).Next(), "impossible count")

	empty := 0 // a few empty reads are no error
	p = sse.NewParser(readerFunc(func(b []byte) (int, error) {
		if empty++; empty%50 != 0 {
			return 0, nil
		}
		return copy(b, "data:1\n\n"), nil
	}))
	require.NoError(t, p.Next())
	require.NoError(t, p.Next())
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestDataCannotReachTheBuffer(t *testing.T) {
	p := sse.NewParser(strings.NewReader("data:1\n\ndata:2\n\n"))
	require.NoError(t, p.Next())
	_ = append(p.Data(), "XXXXXXXXXXXXX"...)
	require.NoError(t, p.Next())
	require.Equal(t, "2", string(p.Data()))
}

func TestRead(t *testing.T) {
	seq := sse.Read(strings.NewReader("data:1\n\ndata:2\n\ndata:3\n\n"))
	for ev, err := range seq {
		require.NoError(t, err)
		require.Equal(t, message("1"), ev)
		break
	}
	var rest []string
	for ev, err := range seq {
		require.NoError(t, err)
		rest = append(rest, ev.Data)
	}
	require.Equal(t, []string{"2", "3"}, rest, "a second range continues where the first stopped")

	var errs []error
	for ev, err := range sse.Read(strings.NewReader("data:1\n")) {
		require.Zero(t, ev)
		errs = append(errs, err)
	}
	require.Equal(t, []error{unfinished("message", "1", "")}, errs)
}

// TestNoEventAfterTheEnd: what a stream ends inside of is not there any more.
func TestNoEventAfterTheEnd(t *testing.T) {
	p := sse.NewParser(strings.NewReader("id: 1\ndata: a\n\nid: 2\nevent: e\ndata: b\n"))
	require.NoError(t, p.Next())
	require.Equal(t, sse.Event{Type: "message", Data: "a", LastEventID: "1"}, p.Event())
	require.Equal(t, unfinished("e", "b", "2"), p.Next())
	require.Equal(t, sse.Event{LastEventID: "1"}, p.Event())
	require.Empty(t, p.Type())
	require.Nil(t, p.Data())
}

// rfc3629 has the ranges of the bytes of each kind of valid sequence (section 4 of the RFC).
var rfc3629 = [][][2]byte{
	{{0x00, 0x7F}},
	{{0xC2, 0xDF}, {0x80, 0xBF}},
	{{0xE0, 0xE0}, {0xA0, 0xBF}, {0x80, 0xBF}},
	{{0xE1, 0xEC}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xED, 0xED}, {0x80, 0x9F}, {0x80, 0xBF}},
	{{0xEE, 0xEF}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xF0, 0xF0}, {0x90, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xF1, 0xF3}, {0x80, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xF4, 0xF4}, {0x80, 0x8F}, {0x80, 0xBF}, {0x80, 0xBF}},
}

// atRanges returns all single bytes, and each sequence whose bytes lie at the ends of the
// table's ranges or just outside, also cut short.
func atRanges() []string {
	seen := make(map[string]bool)
	var sequences []string
	add := func(s string) {
		if !seen[s] {
			seen[s] = true
			sequences = append(sequences, s)
		}
	}
	var build func(row [][2]byte, s string)
	build = func(row [][2]byte, s string) {
		add(s)
		if len(row) > 0 {
			for _, c := range []byte{row[0][0] - 1, row[0][0], row[0][1], row[0][1] + 1} {
				build(row[1:], s+string([]byte{c}))
			}
		}
	}
	for _, row := range rfc3629 {
		build(row, "")
	}
	for c := range 256 {
		add(string([]byte{byte(c)}))
	}
	return sequences
}

// requireValidity compares with utf8.Valid.
func requireValidity(t *testing.T, b []byte) {
	if got, want := sse.IsValidUTF8(b), utf8.Valid(b); got != want {
		t.Fatalf("%v for %x, of which utf8.Valid says %v", got, b, want)
	}
}

// TestUTF8AtRanges has each sequence at each offset in a block of 64 bytes and at its
// border, among runes of each length.
func TestUTF8AtRanges(t *testing.T) {
	sequences := atRanges()
	require.Greater(t, len(sequences), 500)
	step := 1
	if testing.Short() {
		step = 7
	}
	for i := 0; i < len(sequences); i += step {
		for _, rune := range []string{"a", "é", "中", "😀"} {
			for offset := range 72 {
				before := strings.Repeat(".", offset%len(rune)) + strings.Repeat(rune, offset/len(rune)) + sequences[i]
				for _, after := range []int{0, 1, 64} {
					requireValidity(t, []byte(before+strings.Repeat(rune, after)))
				}
			}
		}
	}
}

// TestUTF8AfterASCII has each sequence after a run of ASCII that follows other runes, so that
// the check changes from one way to the other at each place.
func TestUTF8AfterASCII(t *testing.T) {
	for _, sequence := range atRanges() {
		for run := range 180 {
			requireValidity(t, []byte(strings.Repeat("中", 21)+strings.Repeat("a", run)+sequence+strings.Repeat("é", 35)))
		}
	}
}

// TestUTF8Mutated damages texts, and cuts them between runes and inside.
func TestUTF8Mutated(t *testing.T) {
	texts := []string{
		strings.Repeat("一个例子，很长的文本。", 40), strings.Repeat("Пример длинного текста. ", 40), strings.Repeat("😀🎉🚀", 60),
		strings.Repeat(`{"delta":{"content":"例子"},"n":1}`, 20), strings.Repeat("plain text ", 60), strings.Repeat("déjà vu, ça va? ", 40),
	}
	odd := []byte{0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xEC, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF}
	rng := rand.New(rand.NewPCG(3, 3))
	valid, n := 0, 200_000
	for range n {
		var b []byte
		for range 1 + rng.IntN(3) {
			text := texts[rng.IntN(len(texts))]
			from := rng.IntN(len(text))
			to := min(len(text), from+rng.IntN(120))
			if rng.IntN(4) > 0 { // between runes
				for from < to && !utf8.RuneStart(text[from]) {
					from++
				}
				for to > from && to < len(text) && !utf8.RuneStart(text[to]) {
					to--
				}
			}
			b = append(b, text[from:to]...)
		}
		for range rng.IntN(3) {
			if i := rng.IntN(len(b) + 1); i < len(b) {
				switch rng.IntN(4) {
				case 0:
					b[i] = odd[rng.IntN(len(odd))]
				case 1:
					b[i] ^= 1 << rng.IntN(8)
				case 2:
					b = append(b[:i], b[i+1:]...)
				case 3:
					b = append(b[:i], append([]byte(string(rune(rng.IntN(0x110000)))), b[i:]...)...)
				}
			}
		}
		requireValidity(t, b)
		if utf8.Valid(b) {
			valid++
		}
	}
	require.InDelta(t, n/2, valid, float64(n)/3, "the texts are neither all valid nor all damaged")
}

func FuzzUTF8(f *testing.F) {
	for i, sequence := range atRanges() {
		if i%20 == 0 {
			f.Add([]byte(sequence))
			f.Add(append(bytes.Repeat([]byte("é"), 30), sequence...))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { requireValidity(t, b) })
}
