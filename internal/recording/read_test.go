package recording_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/recording"
)

// TestSyntaxErrors: what is refused, and where. In a file's text, ^ stands before the place.
func TestSyntaxErrors(t *testing.T) {
	const conn = "0s connect\n"
	for _, test := range []struct{ text, want string }{
		{"^", "the file is empty"},
		{"^sse-recordings 1\n", `want "sse-recording 1", the first line of a recording`},
		{"^# a comment\nsse-recording 1\n", `want "sse-recording 1", the first line of a recording`},
		{"sse-recording ^2\n", `version "2" of the format is not known`},
		{"sse-recording 1 ^today\n", `want the time of the start as in RFC 3339, not "today"`},
		{"sse-recording 1 2026-11-27T18:09:37Z ^2026\n", "the first line has nothing after this"},
		{"sse-recording 1\n^-1s connect\n", `want a time such as 1.5s or +20ms, not "-1s"`},
		{"sse-recording 1\n^1 connect\n", `want a time such as 1.5s or +20ms, not "1"`},
		{"sse-recording 1\n^3000000h connect\n", `want a time such as 1.5s or +20ms, not "3000000h"`},
		{"sse-recording 1\n2000000h connect\n^+2000000h drop\n", `+2000000h is too long`},
		{"sse-recording 1\n0s^\n", "want the kind of a step"},
		{"sse-recording 1\n0s 1^\n", "want the kind of a step"},
		{"sse-recording 1\n0s ^99999999999999999999 connect\n", "connection 99999999999999999999 is too large a number"},
		{"sse-recording 1\n0s ^Connect\n", `"Connect" is no kind of step`},
		{"sse-recording 1\n" + conn + "0s ^byte \"a\"\n", `"byte" is no kind of step`},
		{"sse-recording 1\n0s ^end\n", "connection 0 has not begun"},
		{"sse-recording 1\n0s 2 ^connect\n", "connection 2 begins where connection 1 should"},
		{"sse-recording 1\n" + conn + "0s 2 ^end\n", "connection 2 has not begun"},
		{"sse-recording 1\n1s connect\n0.5s ^end\n", "the time is before 1s, that of the step before it"},
		{"sse-recording 1\n0s ^connect G/T\n", `"G/T" is no method`},
		{"sse-recording 1\n0s connect GET / ^HTTP/1.1\n", `nothing may follow in a line with "connect"`},
		{"sse-recording 1\n" + conn + "0s header^\n", "want the name of a header field"},
		{"sse-recording 1\n" + conn + "0s header A^\n", "want the value of the header field"},
		{"sse-recording 1\n" + conn + "0s ^header A: b\n", `"A:" is no name of a header field`},
		{"sse-recording 1\n" + conn + "0s bytes^\n", "want bytes, as a Go string"},
		{"sse-recording 1\n" + conn + "0s bytes ^\"a\n", "the string does not end, or is no Go string"},
		{"sse-recording 1\n" + conn + "0s bytes \"a\"^b\n", `want a space, not "b"`},
		{"sse-recording 1\n" + conn + "0s bytes \"a\" ^\"b\"\n", `nothing may follow in a line with "bytes"`},
		{"sse-recording 1\n" + conn + "0s bytes a^\"b\"\n", "a word with this character must be quoted"},
		{"sse-recording 1\n" + conn + "0s bytes ^ä\n", "a word with this character must be quoted"},
		{"sse-recording 1\n" + conn + "0s status^\n", "want a status"},
		{"sse-recording 1\n" + conn + "0s status ^OK\n", `"OK" is no status between 200 and 999`},
		{"sse-recording 1\n" + conn + "0s status ^0200\n", `"0200" is no status between 200 and 999`},
		{"sse-recording 1\n" + conn + "0s ^status 199\n", "199 is no status between 200 and 999"},
		{"sse-recording 1\n" + conn + "0s status ^1000\n", "\"1000\" is no status between 200 and 999"},
		{"sse-recording 1\n" + conn + "0s ^status 200 gzip\n", `"gzip" is no framing: chunked, length, close or HTTP/2`},
		{"sse-recording 1\n" + conn + "0s status 200\n0s ^status 200\n", "the response has a status already"},
		{"sse-recording 1\n" + conn + "0s bytes \"\"\n0s ^status 200\n", "the response has a status already"},
		{"sse-recording 1\n" + conn + "0s bytes \"\"\n0s ^header A b\n", "the response's header is over"},
		{"sse-recording 1\n" + conn + "0s status 200\n0s ^body a\n", "the request is over"},
		{"sse-recording 1\n" + conn + "0s status 204\n0s ^bytes a\n", "a response of this status has no body"},
		{"sse-recording 1\n" + conn + "0s event^\n", "want the type of the event"},
		{"sse-recording 1\n" + conn + "0s event a^\n", "want the data of the event"},
		{"sse-recording 1\n" + conn + "0s event a b ^7\n", `nothing may follow in a line with "event"`},
		{"sse-recording 1\n" + conn + "0s event a b id^\n", "want the ID of the event"},
		{"sse-recording 1\n" + conn + "0s ^event a \"\\r\"\n", `sse: an event's Data cannot hold '\r'`},
		{"sse-recording 1\n" + conn + "0s drop\n0s ^end\n", "connection 1 is over"},
	} {
		before, after, _ := strings.Cut(test.text, "^")
		_, err := recording.Read(strings.NewReader(before + after))
		require.Error(t, err, "%q", test.text)
		var at *recording.SyntaxError
		if before+after == "" {
			require.EqualError(t, err, "recording: "+test.want)
			continue
		}
		require.ErrorAs(t, err, &at)
		require.EqualError(t, at.Err, test.want, "%q", test.text)
		require.Equal(t, strings.Count(before, "\n")+1, at.Line, "%q", test.text)
		require.Equal(t, len(before)-strings.LastIndex(before, "\n"), at.Column, "%q", test.text)
	}
}

// TestTruncated: a file that a crash has left, cut anywhere after its first line, is what was
// recorded until then.
func TestTruncated(t *testing.T) {
	for seed := range uint64(20) {
		r := generate(rand.New(rand.NewPCG(seed, 1)), recording.Chunked, recording.Length, recording.Close, recording.HTTP2)
		text := write(t, r)
		lines := strings.SplitAfter(text, "\n")
		for cut := len(lines[0]); cut <= len(text); cut += 1 + cut/50 {
			got, err := recording.Read(strings.NewReader(text[:cut]))
			require.NoError(t, err, "%q", text[:cut])
			whole := strings.Count(text[:cut], "\n") - 1 // lines
			require.GreaterOrEqual(t, len(got.Steps), whole)
			for i := range whole {
				require.Equal(t, r.Steps[i], got.Steps[i])
			}
			last := text[strings.LastIndex(text[:cut], "\n")+1 : cut]
			require.Equal(t, got.Truncated || last == "", len(got.Steps) == whole, "%q", last)
			if len(got.Steps) > whole {
				require.Len(t, got.Steps, whole+1)
				require.Equal(t, r.Steps[whole].Kind, got.Steps[whole].Kind, "a step that is whole, or nearly so")
			}
		}
	}
}

// TestLimits: a line, a file and the number of steps have limits.
func TestLimits(t *testing.T) {
	const text = "sse-recording 1\n0s connect\n0s bytes `aaaaaaaaaaaaaaaaa`\n0s end\n" // the longest line has 29 bytes
	for _, test := range []struct {
		line, size, steps int
		want              string
	}{
		{29, len(text), 3, ""},
		{28, len(text), 3, "recording: line 3, column 1: the line is longer than 28 bytes"},
		{29, len(text) - 1, 3, fmt.Sprintf("recording: more than %d bytes", len(text)-1)},
		{29, len(text), 2, "recording: line 4, column 1: more than 2 steps"},
	} {
		_, err := recording.ReadLimited(strings.NewReader(text), test.line, test.size, test.steps)
		if test.want == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, test.want)
		}
	}
}

// FuzzRecording: what can be read can be written, and reads as the same again.
func FuzzRecording(f *testing.F) {
	f.Add("sse-recording 1 2026-11-27T18:09:37Z\n0s connect GET \"/\"\n0s status 200 chunked\n1.5s bytes \"data: \"`\"a\"`\"\\n\\n\"\n2s drop\n")
	f.Add(twoConnections)
	f.Add("sse-recording 1\n0s connect \"#M\" \"#\"\n0s header \"#`\" \"#\"\n0s event \"#\" \"#\" id \"#\"\n")
	f.Add("sse-recording 1\n0s 1 connect POST /\n0s 2 connect\n+1h 1 body `{}`\n+0s 2 event a \"b\" id \"c\" # last ä\x00 # x\n1h 1 status 204\n1h 1 wait")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := recording.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		r.Truncated = false
		again := write(t, r)
		require.Equal(t, r, read(t, again))
		require.Equal(t, again, write(t, read(t, again)))
		playAtOnce(r)
	})
}
