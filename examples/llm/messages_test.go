package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

func TestMessage(t *testing.T) {
	rec := serve(t, newFakeMessages())
	var out strings.Builder
	_, err := askMessages(t.Context(), &out, rec.client(), rec.URL, "sky")
	requireFailure(t, err, truncated, "")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "The air scatters blue ", out.String())
	require.Equal(t, []string{"POST /v1/messages"}, rec.seen(), "a POST is not repeated")

	out.Reset()
	a, err := askMessages(t.Context(), &out, rec.client(), rec.URL, "sky")
	require.NoError(t, err)
	require.Equal(t, "The air scatters blue light most.", out.String())
	require.Equal(t, answer{nil, "end_turn", usage{14, 8}}, a)
	require.Len(t, rec.seen(), 2)
}

func TestMessageError(t *testing.T) {
	rec := serve(t, newFakeMessages())
	var out strings.Builder
	_, err := askMessages(t.Context(), &out, rec.client(), rec.URL, "busy")
	requireFailure(t, err, failed, "The server is overloaded")
	require.EqualError(t, err, "error in the stream: The server is overloaded (overloaded_error)")
	require.Equal(t, "The air ", out.String())
	require.Len(t, rec.seen(), 1)
}

// However a message ends before message_stop, and wherever, it is truncated.
func TestMessageTruncated(t *testing.T) {
	for whole := range messageEvents {
		for _, cut := range []bool{false, true} {
			rec := serve(t, body(strings.Join(messageEvents[:whole], ""), cut))
			_, err := askMessages(t.Context(), io.Discard, rec.client(), rec.URL, "any")
			requireFailure(t, err, truncated, "")
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Len(t, rec.seen(), 1)
		}
	}
}

func TestMessageOtherEvents(t *testing.T) {
	add := func(typ, data string) (string, answer, error) {
		var a answer
		var out strings.Builder
		err := a.addEvent(&out, sse.Event{Type: typ, Data: data})
		return out.String(), a, err
	}
	for _, test := range []struct{ typ, data string }{
		{"ping", `{"type": "ping"}`},
		{"ping", ""},
		{"a_new_type", "no JSON"},
		{"content_block_delta", `{"index": 1, "delta": {"type": "input_json_delta", "partial_json": "{"}}`},
	} {
		text, a, err := add(test.typ, test.data)
		require.NoError(t, err)
		require.Empty(t, text)
		require.Equal(t, answer{}, a)
	}
	for _, typ := range []string{"message_start", "content_block_delta", "message_delta", "error"} {
		_, _, err := add(typ, "no JSON")
		require.ErrorContains(t, err, typ)
	}
}
