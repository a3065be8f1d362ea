package sse_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

type item struct{ N int }

// decodeAll ranges to the end of Decode, and holds it to one error, which comes last.
func decodeAll[T any](t *testing.T, events iter.Seq2[sse.Event, error], stop ...string) (values []T, err error) {
	t.Helper()
	for v, e := range sse.Decode[T](events, stop...) {
		require.NoError(t, err, "something came after the error")
		if err = e; err == nil {
			values = append(values, v)
		} else {
			require.Zero(t, v)
		}
	}
	return values, err
}

// TestDecodeEnds: how an answer ends. Each row is read from a body that is at hand, and by a
// POST over HTTP.
func TestDecodeEnds(t *testing.T) {
	const first = "data: {\"n\":1}\n\n"
	early := &sse.UnfinishedError{}
	for name, test := range map[string]struct {
		stream string
		stop   []string
		want   []item
		err    error // nil: the answer is complete
		posted error // by a POST, if it differs: with the text after the last event
	}{
		"stop word":                       {first + "data: [DONE]\n\n", []string{"[DONE]"}, []item{{1}}, nil, nil},
		"after it nothing counts":         {first + "data: [DONE]\n\ndata: nonsense\n\n", []string{"[DONE]"}, []item{{1}}, nil, nil},
		"second of two stop words":        {first + "data: bye\n\n", []string{"[DONE]", "bye"}, []item{{1}}, nil, nil},
		"spaces around it":                {first + "data:  [DONE]\t \n\n", []string{"[DONE]"}, []item{{1}}, nil, nil},
		"spaces in the argument":          {first + "data: [DONE]\n\n", []string{" [DONE] "}, []item{{1}}, nil, nil},
		"without its blank line":          {first + "data: [DONE]\n", []string{"[DONE]"}, []item{{1}}, nil, nil},
		"without its line end":            {first + "data: [DONE]", []string{"[DONE]"}, []item{{1}}, nil, nil},
		"without either, CR":              {strings.ReplaceAll(first, "\n", "\r") + "data: [DONE] \r", []string{"[DONE]"}, []item{{1}}, nil, nil},
		"with a type and an ID":           {first + "event: end\nid: 9\ndata: [DONE]\n\n", []string{"[DONE]"}, []item{{1}}, nil, nil},
		"nothing but the stop word":       {"data: [DONE]\n\n", []string{"[DONE]"}, nil, nil, nil},
		"an empty stop word":              {first + "data:  \n\ndata: x\n\n", []string{""}, []item{{1}}, nil, nil},
		"truncated between events":        {first, []string{"[DONE]"}, []item{{1}}, early, nil},
		"truncated inside an event":       {first + "data: {\"n\":", []string{"[DONE]"}, []item{{1}}, unfinished("message", `{"n":`, ""), nil},
		"truncated inside the stop word":  {first + "data: [DO", []string{"[DONE]"}, []item{{1}}, unfinished("message", "[DO", ""), nil},
		"only the beginning of a field":   {first + "dat", []string{"[DONE]"}, []item{{1}}, early, &sse.UnfinishedError{Text: "dat"}},
		"empty":                           {"", []string{"[DONE]"}, nil, early, nil},
		"comments alone":                  {":\n:\n", []string{"[DONE]"}, nil, early, nil},
		"bare JSON":                       {"{\"error\":{}}\n\n", []string{"[DONE]"}, nil, early, &sse.UnfinishedError{Text: `{"error":{}}`}},
		"bare JSON after events":          {first + "{\"error\":{}}", []string{"[DONE]"}, []item{{1}}, early, &sse.UnfinishedError{Text: `{"error":{}}`}},
		"complete, without a line end":    {first + "data: {\"n\":2}", nil, []item{{1}}, unfinished("message", `{"n":2}`, ""), nil},
		"no stop word asked for":          {first, nil, []item{{1}}, nil, nil},
		"nothing, no stop word asked for": {"", nil, nil, nil, nil},
		"bare JSON, no stop word asked for": {"{\"error\":{}}\n\n", nil, nil, nil,
			&sse.UnfinishedError{Text: `{"error":{}}`}},

		"keep-alive without data":     {"data\n\n" + first + "data:\n\n", nil, []item{{1}}, nil, nil},
		"keep-alive of spaces":        {"data:   \t \n\n" + first, nil, []item{{1}}, nil, nil},
		"keep-alive of two lines":     {"data:\ndata: \n\n" + first, nil, []item{{1}}, nil, nil},
		"ping with blank data":        {"event: ping\ndata: \n\n" + first, nil, []item{{1}}, nil, nil},
		"MCP's priming event":         {"id: 1/0\nretry: 500\ndata:\n\n" + first, nil, []item{{1}}, nil, nil},
		"keep-alive before stop word": {first + "data:\n\ndata: [DONE]\n\n", []string{"[DONE]"}, []item{{1}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeAll[item](t, sse.Read(strings.NewReader(test.stream)), test.stop...)
			require.Equal(t, test.want, got)
			require.Equal(t, test.err, err)

			bubble(t, func(t *testing.T) {
				s := serve(t, stream(test.stream))
				c := sse.Client{HTTPClient: s.client}
				got, err := decodeAll[item](t, c.Events(post(t, strings.NewReader("{}"))), test.stop...)
				require.Equal(t, test.want, got)
				if test.posted != nil {
					test.err = test.posted
				}
				require.Equal(t, test.err, err)
				require.Len(t, s.requests, 1)
				if err != nil {
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				}
			})
		})
	}
}

// TestDecodeCut: a body that the network cut ends in the network's error, also where the
// end of the answer had begun to arrive.
func TestDecodeCut(t *testing.T) {
	for name, text := range map[string]string{
		"between events":       "data: {\"n\":1}\n\n",
		"inside the stop word": "data: {\"n\":1}\n\ndata: [DONE]\n",
	} {
		in(t, name, func(t *testing.T) {
			s := serve(t, cut(text))
			got, err := decodeAll[item](t, (&sse.Client{HTTPClient: s.client}).Events(post(t, strings.NewReader("{}"))), "[DONE]")
			require.Equal(t, []item{{1}}, got)
			require.Equal(t, io.ErrUnexpectedEOF, err)
		})
	}
	in(t, "after the stop word", func(t *testing.T) {
		s := serve(t, cut("data: {\"n\":1}\n\ndata: [DONE]\n\n"))
		_, err := decodeAll[item](t, (&sse.Client{HTTPClient: s.client}).Events(post(t, strings.NewReader("{}"))), "[DONE]")
		require.NoError(t, err)
	})
	in(t, "a GET is asked again first", func(t *testing.T) {
		s := serve(t, stream("data: {\"n\":1}\n\ndata: {\"n\":"), stream("{\"error\":{}}\n"), stream("data: [DONE]\n\n"))
		got, err := decodeAll[item](t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"), "[DONE]")
		require.NoError(t, err)
		require.Equal(t, []item{{1}}, got)
		require.Len(t, s.requests, 3)
	})
	in(t, "a policy that gives up has the last block, too", func(t *testing.T) {
		s := serve(t, stream("data: {\"n\":1}\n\ndata: [DONE]"))
		c := sse.Client{HTTPClient: s.client, NewBackoff: every(-1)}
		_, err := decodeAll[item](t, c.Get(t.Context(), "http://memnet/"), "[DONE]")
		require.NoError(t, err)
	})
}

func TestDecodeErrors(t *testing.T) {
	got, err := decodeAll[item](t, sse.Read(strings.NewReader("data:{\"n\":1}\n\ndata:[DONE]\n\n")))
	require.Equal(t, []item{{1}}, got)
	require.EqualError(t, err, `sse: event "message", ID "": invalid character 'D' looking for beginning of value in "[DONE]"`)
	require.ErrorAs(t, err, new(*json.SyntaxError))

	_, err = decodeAll[struct{ A, B int }](t, sse.Read(strings.NewReader(`data:{"a":1,"b":"x"}`+"\n\n"))) // zero, not {1 0}
	require.ErrorAs(t, err, new(*json.UnmarshalTypeError))

	for v, err := range sse.Decode[map[string]int](sse.Read(strings.NewReader("data:{\"a\":1}\n\ndata:{\"b\":2}\n\n"))) {
		require.NoError(t, err)
		require.Len(t, v, 1, "each value is a new one")
	}
	for range sse.Decode[item](sse.Read(strings.NewReader("data:{}\n\ndata:{}\n\n"))) {
		break
	}
}

// verbose is a value whose error quotes all that it was given.
type verbose struct{}

func (*verbose) UnmarshalJSON(b []byte) error { return errors.New(string(b)) }

// TestUnmarshal: the error names type, ID and the first bytes, and stays short, whatever the
// server sent.
func TestUnmarshal(t *testing.T) {
	var v item
	require.NoError(t, sse.Event{Data: ` {"n":7} `}.Unmarshal(&v))
	require.Equal(t, item{7}, v)
	require.EqualError(t, sse.Event{Type: "e", Data: "{", LastEventID: "7"}.Unmarshal(&v),
		`sse: event "e", ID "7": unexpected end of JSON input in "{"`)
	require.ErrorAs(t, sse.Event{Data: "{}"}.Unmarshal(v), new(*json.InvalidUnmarshalError))

	for name, char := range map[string]string{"letters": "x", "controls": "\x01", "runes": "日", "private use": "\U0010ffff", "quotes": `"`} {
		t.Run(name, func(t *testing.T) {
			long := strings.Repeat(char, 100_000)
			quoted := func(s string) string { return strconv.Quote(s[:64/len(char)*len(char)]) }
			ev := sse.Event{Type: "t" + long, LastEventID: "i" + long, Data: long}
			err := ev.Unmarshal(&v)
			require.Less(t, len(err.Error()), 1<<10)
			require.Contains(t, err.Error(), quoted(long))

			ev.Data = strconv.Quote(strings.Repeat("y", 100_000))
			require.Less(t, len(ev.Unmarshal(new(verbose)).Error()), 1<<10)
			ev.Data = strings.Repeat("9", 100_000) // which the JSON package quotes whole
			err = ev.Unmarshal(&v.N)
			require.Less(t, len(err.Error()), 1<<10)
			var whole *json.UnmarshalTypeError
			require.ErrorAs(t, err, &whole)
			require.Contains(t, err.Error(), ": "+whole.Error()[:128]+" in ")
		})
	}
	long := strings.Repeat("日", 1000)
	for _, err := range []error{&sse.UnfinishedError{Event: sse.Event{Type: long, Data: long, LastEventID: long}, Text: long}} {
		require.Less(t, len(err.Error()), 1<<10)
		require.NotContains(t, err.Error(), `\x`, "no half of a rune")
	}
}

// TestUntil: up to and including the last event.
func TestUntil(t *testing.T) {
	stop := func(ev sse.Event) bool { return ev.Type == "stop" }
	for name, test := range map[string]struct {
		stream string
		want   string
		err    error
	}{
		"last event":                 {"data: 1\n\nevent: stop\ndata: 2\n\ndata: 3\n\n", "1 2", nil},
		"first event":                {"event: stop\ndata: 2\n\ndata: 3\n\n", "2", nil},
		"without its blank line":     {"data: 1\n\nevent: stop\ndata: 2\n", "1 2", nil},
		"without its line end":       {"data: 1\n\nevent: stop\ndata: 2", "1 2", nil},
		"without data yet":           {"data: 1\n\nevent: stop\n", "1 ", nil},
		"half of its type":           {"data: 1\n\nevent: sto", "1", unfinished("sto", "", "")},
		"data, and the type to come": {"data: 1\n\ndata: 2\n", "1", unfinished("message", "2", "")},
		"truncated":                  {"data: 1\n\n", "1", &sse.UnfinishedError{}},
		"empty":                      {"", "", &sse.UnfinishedError{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := all(t, sse.Until(sse.Read(strings.NewReader(test.stream)), stop))
			require.Equal(t, test.want, data(got))
			require.Equal(t, test.err, err)
		})
	}
	t.Run("an error of the events", func(t *testing.T) {
		_, err := all(t, sse.Until(func(yield func(sse.Event, error) bool) { yield(sse.Event{}, errCause) },
			func(sse.Event) bool { return true }))
		require.Equal(t, errCause, err, "which is no event to ask about")
	})
	t.Run("events of the caller's own", func(t *testing.T) {
		n := 0
		got, err := all(t, sse.Until(func(yield func(sse.Event, error) bool) {
			for yield(sse.Event{}, nil) {
			}
		}, func(sse.Event) bool { n++; return n == 3 }))
		require.NoError(t, err)
		require.Len(t, got, 3)
	})
	t.Run("break", func(t *testing.T) {
		for range sse.Until(sse.Read(strings.NewReader("data:1\n\ndata:2\n\n")), stop) {
			break
		}
	})
	t.Run("with Decode", func(t *testing.T) {
		events := sse.Until(sse.Read(strings.NewReader("data: {\"n\":1}\n\nevent: stop\ndata: {\"n\":2}\n")), stop)
		got, err := decodeAll[item](t, events)
		require.NoError(t, err)
		require.Equal(t, []item{{1}, {2}}, got)
	})
}

// TestDecodeClosesTheStream at the stop word, and Until at the last event.
func TestDecodeClosesTheStream(t *testing.T) {
	for name, read := range map[string]func(events iter.Seq2[sse.Event, error]){
		"Decode": func(events iter.Seq2[sse.Event, error]) {
			got, err := decodeAll[int](t, events, "[DONE]")
			require.NoError(t, err)
			require.Equal(t, []int{1}, got)
		},
		"Until": func(events iter.Seq2[sse.Event, error]) {
			got, err := all(t, sse.Until(events, func(ev sse.Event) bool { return ev.Data == "[DONE]" }))
			require.NoError(t, err)
			require.Len(t, got, 2)
		},
	} {
		in(t, name, func(t *testing.T) {
			left := make(chan bool, 1)
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				hold("data:1\n\ndata:[DONE]\n\n")(w, r)
				left <- true
			})
			read((&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
			require.True(t, <-left)
		})
	}
}

// TestUnknown: each line that is no comment and no field, cut as comments are.
func TestUnknown(t *testing.T) {
	for stream, want := range map[string][]string{
		"{\"error\":1}\n\n":                                   {`{"error":1}`},
		"<html>\n<p>a: b</p>\n\n</html>":                      {"<html>", "<p>a: b</p>", "</html>"},
		"{\"n\":1}\n{\"n\":2}\n":                              {`{"n":1}`, `{"n":2}`},
		"foo\nfoo:\nfoo: bar\n foo":                           {"foo", "foo:", "foo: bar", " foo"},
		"Data: x\ndata : x\nevents: x\nids\nretr":             {"Data: x", "data : x", "events: x", "ids", "retr"},
		"data\nevent\nid\nretry\nretry:x\nid:\x00\n:c\n:\n\n": nil,
		"retry: 5": nil, ": half a comment": nil, "data: half": nil, "id": nil,
		"\xff\xfe\n":                    {"\ufffd\ufffd"},
		"a\xe2\x82":                     {"a\ufffd"},
		"\ufeff\ufeffdata: x\n":         {"\ufeffdata: x"},
		"\xef\xbb":                      {"\ufffd"},
		"data: 1\n\nfoo\r\rdata: 2\r\r": {"foo"},
	} {
		everyCut([]byte(stream), func(name string, r io.Reader) {
			require.Equal(t, want, parse(t, new(sse.Parser), r).Unknown, "%q, %s", stream, name)
		})
	}
	const limit = sse.MaxComment
	for _, test := range []struct{ line, want string }{
		{strings.Repeat("x", limit), strings.Repeat("x", limit)},
		{strings.Repeat("x", limit+1), strings.Repeat("x", limit)},
		{strings.Repeat("x", 5*limit), strings.Repeat("x", limit)},
		{strings.Repeat("€", limit), strings.Repeat("€", limit/3)},
	} {
		for _, end := range []string{"\n", ""} {
			stream := []byte("data:1\n\n" + test.line + end)
			for _, n := range []int{1000, 60_000, 70_001, len(stream)} {
				got := parse(t, new(sse.Parser), everyN(stream, n)).Unknown
				require.True(t, slices.Equal([]string{test.want}, got), "%d bytes, reads of %d", len(test.line), n)
			}
		}
	}
}

// TestText: what UnfinishedError.Text has, and that the trace sees the same lines.
func TestText(t *testing.T) {
	lines := func(n int) string { return strings.Repeat(strings.Repeat("x", 99)+"\n", n) }
	for name, test := range map[string]struct{ stream, text string }{
		"none":                        {"data: 1\n\n", ""},
		"bare JSON":                   {`{"error":{"code":429}}`, `{"error":{"code":429}}`},
		"bare JSON on several lines":  {"{\n  \"error\": 1\n}\n", "{\n  \"error\": 1\n}"},
		"HTML, with blank lines":      {"<html>\n\n<p>\n\n", "<html>\n<p>"},
		"after an event":              {"data: 1\n\noops\n", "oops"},
		"before an event":             {"oops\n\ndata: 1\n\n", ""},
		"in an event's block":         {"oops\ndata: 1\noops\n\n", ""},
		"before a block without data": {"oops\nid: 1\n\n", "oops"},
		"between comments":            {":a\noops\n:b\n", "oops"},
		"unfinished comment":          {"data: 1\n\n: half", ""},
		"unfinished retry":            {"data: 1\n\nretry: 5", ""},
		"malformed":                   {"a\xff\n", "a\ufffd"},
		"1 KiB":                       {strings.Repeat("x", 1024), strings.Repeat("x", 1024)},
		"over 1 KiB":                  {strings.Repeat("x", 1025), strings.Repeat("x", 1024)},
		"many lines":                  {lines(20), lines(10) + strings.Repeat("x", 24)},
		"over 1 KiB, cut in a rune":   {strings.Repeat("€", 1000), strings.Repeat("€", 341)},
		"malformed, over 1 KiB":       {strings.Repeat("\xff", 1000), strings.Repeat("\ufffd", 341)},
		"huge":                        {strings.Repeat("x", 1<<20), strings.Repeat("x", 1024)},
	} {
		for _, hooked := range []bool{false, true} {
			in(t, fmt.Sprint(name, ", Unknown hooked: ", hooked), func(t *testing.T) {
				s := serve(t, stream(test.stream))
				tr := record()
				c := sse.Client{HTTPClient: s.client, Trace: tr.trace()}
				var seen []string
				if hooked {
					c.Trace.Unknown = func(line string) { seen = append(seen, line) }
				}
				_, err := all(t, c.Events(post(t, strings.NewReader("{}"))))
				if hooked && name != "before an event" && name != "in an event's block" {
					joined := strings.Join(seen, "\n")
					require.Equal(t, test.text, joined[:min(len(test.text), len(joined))])
				}
				if test.text == "" {
					require.NoError(t, err)
					require.Equal(t, io.EOF, tr.infos[0].Err)
					return
				}
				require.Equal(t, &sse.UnfinishedError{Text: test.text}, err)
				require.Equal(t, err, tr.infos[0].Err)
			})
		}
	}
	in(t, "with an unfinished event", func(t *testing.T) {
		s := serve(t, stream("data: 1\n\n<p>\nid: 7\nevent: e\ndata: a\ndata: \xffb"))
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(post(t, strings.NewReader("{}"))))
		require.Equal(t, &sse.UnfinishedError{Event: sse.Event{Type: "e", Data: "a\n\ufffdb", LastEventID: "7"}, Text: "<p>"}, err)
		require.EqualError(t, err, `sse: the stream ended inside an event: type "e", ID "7", data "a\n`+"\ufffd"+`b", after text that is no event: "<p>"`)
	})
	in(t, "the ID in force, not the connection's", func(t *testing.T) {
		s := serve(t, stream("id: 5\ndata: 1\n\ndata: 2\n"))
		_, err := all(t, (&sse.Client{HTTPClient: s.client}).Events(post(t, strings.NewReader("{}"))))
		require.Equal(t, unfinished("message", "2", "5"), err)
	})
	in(t, "of the last connection only", func(t *testing.T) {
		s := serve(t, cut("data: 1\n\noops\n"), stream(""))
		c := sse.Client{HTTPClient: s.client, Reconnect: func(err error) bool { return err == io.ErrUnexpectedEOF }}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
	})
	in(t, "a GET is repeated, and the trace sees why", func(t *testing.T) {
		s := serve(t, stream("{\"error\":1}\n"))
		tr := record()
		c := sse.Client{HTTPClient: s.client, Trace: tr.trace()}
		_, err := all(t, c.Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Equal(t, &sse.UnfinishedError{Text: `{"error":1}`}, tr.infos[0].Err)
		require.True(t, tr.infos[0].Reconnect)
	})
}

var _ encoding.TextAppender = sse.Event{}

func TestAppendText(t *testing.T) {
	for want, ev := range map[string]sse.Event{
		"data: \n\n":                            {},
		"data: hello\n\n":                       {Data: "hello"},
		"data: x\n\n":                           {Type: "message", Data: "x"},
		"event: e\nid: 1\ndata: x\n\n":          {Type: "e", Data: "x", LastEventID: "1"},
		"data: a\ndata: \ndata:  b\ndata: \n\n": {Data: "a\n\n b\n"},
		"event:  :é\nid:  \ndata: \x00\n\n":     {Type: " :é", Data: "\x00", LastEventID: " "},
	} {
		b, err := ev.AppendText([]byte("before,"))
		require.NoError(t, err)
		require.Equal(t, "before,"+want, string(b))
	}
}

func TestAppendTextRefuses(t *testing.T) {
	for _, test := range []struct {
		ev   sse.Event
		want string
	}{
		{sse.Event{Data: "\r"}, `sse: an event's Data cannot hold '\r'`},
		{sse.Event{Data: "a\rb"}, `sse: an event's Data cannot hold '\r'`},
		{sse.Event{Type: "a\rb"}, `sse: an event's Type cannot hold '\r'`},
		{sse.Event{Type: "a\nb"}, `sse: an event's Type cannot hold '\n'`},
		{sse.Event{LastEventID: "a\rb"}, `sse: an event's LastEventID cannot hold '\r'`},
		{sse.Event{LastEventID: "a\nb"}, `sse: an event's LastEventID cannot hold '\n'`},
		{sse.Event{LastEventID: "a\x00b"}, `sse: an event's LastEventID cannot hold '\x00'`},
		{sse.Event{Data: "\xff"}, "sse: an event's Data must be valid UTF-8"},
		{sse.Event{Type: "\xff"}, "sse: an event's Type must be valid UTF-8"},
		{sse.Event{LastEventID: "\xff"}, "sse: an event's LastEventID must be valid UTF-8"},
	} {
		b, err := test.ev.AppendText([]byte("before"))
		require.EqualError(t, err, test.want)
		require.Equal(t, "before", string(b))
	}
}

// TestRoundTrip writes all events of the spec cases and reads them again.
func TestRoundTrip(t *testing.T) {
	for _, c := range specCases(t) {
		for _, ev := range c.Events {
			requireRoundTrip(t, ev)
		}
	}
}

// requireRoundTrip parses what ev.AppendText writes, in every line end that ev allows.
func requireRoundTrip(t *testing.T, ev sse.Event) {
	t.Helper()
	b, err := ev.AppendText(nil)
	require.NoError(t, err)
	want := ev
	if want.Type == "" {
		want.Type = "message"
	}
	withEachLineEnd(string(b), func(stream string) {
		p := sse.NewParser(strings.NewReader(stream))
		require.NoError(t, p.Next(), "%q", stream)
		require.Equal(t, want, p.Event(), "%q", stream)
		require.Equal(t, io.EOF, p.Next(), "%q", stream)
	})
}
