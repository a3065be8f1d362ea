package sse_test

import (
	"encoding"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

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
