package upstream

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/stretchr/testify/require"

	_ "github.com/lastevent/sse/conformance/upstream/openai"
)

// TestOpenAI runs the stream tests of OpenAI's SDK with the decoder of package openai here in
// the place of theirs.
func TestOpenAI(t *testing.T) {
	t.Parallel()
	sdk := module{
		"github.com/openai/openai-go/v3", "v3.96.0", "h1:90zNgNiJvCEG+HODmgEksXjT0+gtxsZFTsfTNpgHeSw=",
	}.unpack(t, "packages/ssestream", "internal/encoding/json")
	copyDir(t, filepath.Join(sdk, "lastevent"), "openai", ".")
	const register = "package ssestream_test\n\nimport _ \"github.com/openai/openai-go/v3/lastevent\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(sdk, "packages/ssestream/lastevent_test.go"), []byte(register), 0o600))
	replace(t, sdk, nil)
	const early = "package sse returns an *UnfinishedError where a stream ends inside an event; theirs, no error"
	test(t, sdk, "./packages/ssestream").check(t, 37, map[string]string{
		"ssestream.TestStreamDiscardsIncompleteEventAtEOF":                                early,
		"ssestream.TestEventStreamDecoderDiscardsIncompleteEventAtEOF":                    early,
		"ssestream.TestEventStreamDecoderDiscardsIncompleteEventAtEOF/event_with_data":    early,
		"ssestream.TestEventStreamDecoderDiscardsIncompleteEventAtEOF/event_without_data": early,
	})
}

// TestOpenAIAnswers reads recorded answers over HTTP by way of the SDK, with each line end
// that the standard allows. The SDK's own decoder reads no CR.
func TestOpenAIAnswers(t *testing.T) {
	for file, want := range map[string][]string{
		"openai-chat.txt":      {"Hel", "lo", " wörld", " 👋"},
		"openai-responses.txt": {"", "Hi", ""},
		"openai-error.txt":     {"Hel", "received error while streaming: {\"message\":\"overloaded\",\"type\":\"server_error\"}"},
	} {
		b, err := os.ReadFile(filepath.Join("../../testdata/wild", file))
		require.NoError(t, err)
		for _, end := range []string{"\n", "\r\n", "\r"} {
			t.Run(fmt.Sprintf("%s %q", file, end), func(t *testing.T) {
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
					_, _ = io.WriteString(w, strings.ReplaceAll(string(b), "\n", end))
				}))
				defer srv.Close()
				resp, err := http.Get(srv.URL)
				require.NoError(t, err)
				stream := ssestream.NewStream[chunk](ssestream.NewDecoder(resp), nil)
				defer stream.Close()
				var got []string
				for stream.Next() {
					got = append(got, stream.Current().text())
				}
				if err := stream.Err(); err != nil {
					got = append(got, err.Error())
				}
				require.Equal(t, want, got)
			})
		}
	}
}

// A chunk is what this test needs of an answer of either kind.
type chunk struct {
	Choices []struct{ Delta struct{ Content string } }
	Delta   string
}

func (c chunk) text() string {
	for _, choice := range c.Choices {
		return choice.Delta.Content
	}
	return c.Delta
}
