package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// chatCalls are those of chatEvents, joined from their pieces.
var chatCalls = map[int]*call{
	0: {"call_1", "weather", []byte(`{"city": "Oslo"}`)},
	1: {"call_2", "weather", []byte(`{"city": "Bergen"}`)},
}

func TestChatAnswer(t *testing.T) {
	rec := serve(t, newFakeChat())
	var out strings.Builder
	_, err := askChat(t.Context(), &out, rec.client(), rec.URL, "weather")
	requireFailure(t, err, truncated, "")
	var unfinished *sse.UnfinishedError
	require.ErrorAs(t, err, &unfinished)
	require.Contains(t, unfinished.Event.Data, "choices")
	require.Equal(t, "I will look up both ", out.String())
	require.Equal(t, []string{"POST /v1/chat/completions"}, rec.seen(), "a POST is not repeated")

	out.Reset()
	a, err := askChat(t.Context(), &out, rec.client(), rec.URL, "weather")
	require.NoError(t, err)
	require.Equal(t, "I will look up both cities.", out.String())
	require.Equal(t, answer{chatCalls, "tool_calls", usage{14, 31}}, a)
	for _, c := range a.Calls {
		require.True(t, json.Valid(c.Arguments))
	}
	require.Len(t, rec.seen(), 2)
}

func TestChatOutcomes(t *testing.T) {
	rec := serve(t, newFakeChat())
	for _, test := range []struct {
		model   string
		outcome outcome
		message string
		text    string
	}{
		{"retired", refused, "There is no such model", ""},
		{"busy", failed, "The server is overloaded", "I will look up both "},
		{"broken", bareError, "The prompt is too long", ""},
	} {
		t.Run(test.model, func(t *testing.T) {
			before := len(rec.seen())
			var out strings.Builder
			_, err := askChat(t.Context(), &out, rec.client(), rec.URL, test.model)
			requireFailure(t, err, test.outcome, test.message)
			require.Equal(t, test.text, out.String())
			require.Len(t, rec.seen(), before+1)
		})
	}
}

// However a chat ends before [DONE], and wherever, it is truncated.
func TestChatTruncated(t *testing.T) {
	for whole := range chatEvents {
		for _, half := range []bool{false, true} {
			for _, cut := range []bool{false, true} {
				text := strings.Join(chatEvents[:whole], "")
				if half {
					text += chatEvents[whole][:len(chatEvents[whole])/2]
				}
				rec := serve(t, body(text, cut))
				_, err := askChat(t.Context(), io.Discard, rec.client(), rec.URL, "any")
				requireFailure(t, err, truncated, "")
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.Equal(t, !cut, errors.As(err, new(*sse.UnfinishedError)))
				require.Len(t, rec.seen(), 1)
			}
		}
	}
}

func TestChatKeepAlive(t *testing.T) {
	rec := serve(t, body(": wait\n\ndata:\n\n"+strings.Join(chatEvents, ": wait\n\n")+"data: {}\n\n", false))
	var out strings.Builder
	a, err := askChat(t.Context(), &out, rec.client(), rec.URL, "any")
	require.NoError(t, err)
	require.Equal(t, "I will look up both cities.", out.String())
	require.Equal(t, chatCalls, a.Calls)
}

// A program that no longer wants the answer gets no more of it.
func TestChatWriteError(t *testing.T) {
	rec := serve(t, newFakeChat())
	r, w := io.Pipe()
	stopped := errors.New("stopped")
	require.NoError(t, r.CloseWithError(stopped))
	_, err := askChat(t.Context(), w, rec.client(), rec.URL, "busy")
	require.ErrorIs(t, err, stopped)
}
