package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/ssetest"
)

// TestRecordings plays recordings of the three services, with their timing.
func TestRecordings(t *testing.T) {
	for i, test := range []struct {
		file    string
		answers []string // each a text and how it ended
		takes   time.Duration
	}{
		{"openai-chat.txt", []string{`The sky, mostly 🌤. stopped by "stop", 12 tokens in, 6 out`}, 565 * time.Millisecond},
		{"anthropic.txt", []string{
			`Air, which scatters blue light. stopped by "end_turn", 12 tokens in, 9 out`,
			`Above  error in the stream: Overloaded (overloaded_error)`,
			` refusal: Overloaded (overloaded_error)`,
		}, 5561 * time.Millisecond},
		{"openai-responses.txt", []string{`A deep blue sky. stopped by "completed", 11 tokens in, 5 out`}, 4161 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := ssetest.Replay(t, "../../testdata/recordings/"+test.file)
			client := &sse.Client{HTTPClient: srv.Client(), NewBackoff: second}
			start := time.Now()
			for _, want := range test.answers {
				var out strings.Builder
				a, err := formats[i].ask(t.Context(), &out, client, srv.URL(), "any")
				if err == nil {
					out.WriteString(" " + a.String())
				} else {
					out.WriteString(" " + err.Error())
				}
				require.Equal(t, want, out.String())
			}
			require.InDelta(t, test.takes, time.Since(start), float64(20*time.Millisecond)) // by which a body is drained
		})
	}
}

// second waits for a second, and no random part of it.
func second(time.Duration) sse.Backoff { return constant{} }

type constant struct{}

func (constant) NextBackOff() time.Duration { return time.Second }
func (constant) Reset()                     {}
