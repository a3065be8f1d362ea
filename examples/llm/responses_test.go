package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

const responseText = "The air scatters blue light most."

// read asks for a response, and returns its text.
func read(t *testing.T, rec *recorder) (string, answer, error) {
	t.Helper()
	var out strings.Builder
	a, err := askResponses(t.Context(), &out, rec.client(), rec.URL, "sky")
	return out.String(), a, err
}

// A response is created once, and complete, wherever its connection was cut.
func TestResponseCut(t *testing.T) {
	for whole := 1; whole < len(responseEvents("")); whole++ {
		t.Run(fmt.Sprintf("after %d events", whole), func(t *testing.T) {
			fake := newFakeResponses(whole)
			rec := serve(t, fake)
			text, a, err := read(t, rec)
			require.NoError(t, err)
			require.Equal(t, responseText, text)
			require.Equal(t, answer{nil, "completed", usage{14, 8}}, a)
			require.EqualValues(t, 1, fake.created.Load())
			require.Equal(t, []string{
				"POST /v1/responses",
				fmt.Sprintf("GET /v1/responses/resp_1?starting_after=%d&stream=true", whole-1),
			}, rec.seen())
		})
	}
}

func TestResponseCutOften(t *testing.T) {
	fake := newFakeResponses(1, 2, 0, 3)
	rec := serve(t, fake)
	text, _, err := read(t, rec)
	require.NoError(t, err)
	require.Equal(t, responseText, text)
	require.EqualValues(t, 1, fake.created.Load())
	require.Equal(t, []string{
		"POST /v1/responses",
		"GET /v1/responses/resp_1?starting_after=0&stream=true",
		"GET /v1/responses/resp_1?starting_after=2&stream=true",
		"GET /v1/responses/resp_1?starting_after=2&stream=true",
		"GET /v1/responses/resp_1?starting_after=5&stream=true",
	}, rec.seen())
}

func TestResponseWithoutCut(t *testing.T) {
	fake := newFakeResponses()
	rec := serve(t, fake)
	text, _, err := read(t, rec)
	require.NoError(t, err)
	require.Equal(t, responseText, text)
	require.EqualValues(t, 1, fake.created.Load())
	require.Len(t, rec.seen(), 1)
}

// A response whose ID is not known cannot be continued, and must not be created again.
func TestResponseCutBeforeID(t *testing.T) {
	fake := newFakeResponses(0)
	rec := serve(t, fake)
	text, _, err := read(t, rec)
	requireFailure(t, err, truncated, "")
	require.Empty(t, text)
	require.EqualValues(t, 1, fake.created.Load())
	require.Equal(t, []string{"POST /v1/responses"}, rec.seen())
}

// A stream that the server closes early is continued like one that the network cuts. The GET
// carries nothing that belongs to the POST.
func TestResponseClosed(t *testing.T) {
	events := responseEvents("resp/1")
	rec := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			newEventStream(w).send(events[:4]...)
			return
		}
		if r.ContentLength != 0 || r.Header.Get("Content-Type") != "" || r.Header.Get("Authorization") != "Bearer key" {
			http.Error(w, "not a clean GET", http.StatusBadRequest)
			return
		}
		newEventStream(w).send(events[4:]...)
	}))
	text, _, err := read(t, rec)
	require.NoError(t, err)
	require.Equal(t, responseText, text)
	require.Equal(t, []string{"POST /v1/responses", "GET /v1/responses/resp%2F1?starting_after=3&stream=true"}, rec.seen())
}

// A service that is busy when the stream resumes is asked again. One that has forgotten the
// response is not.
func TestResponseResumption(t *testing.T) {
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusNotFound} {
		fake := newFakeResponses(4)
		var gets atomic.Int32
		rec := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && gets.Add(1) == 1 {
				http.Error(w, `{"error": {"message": "Not now"}}`, status)
				return
			}
			fake.ServeHTTP(w, r)
		}))
		text, _, err := read(t, rec)
		if status == http.StatusNotFound {
			requireFailure(t, err, refused, "Not now")
			require.Equal(t, "The air ", text)
			require.Len(t, rec.seen(), 2)
		} else {
			require.NoError(t, err)
			require.Equal(t, responseText, text)
			require.Len(t, rec.seen(), 3)
		}
		require.EqualValues(t, 1, fake.created.Load())
	}
}

// An event in which the service reports its own failure ends the stream, without another
// connection.
func TestResponseFailures(t *testing.T) {
	for _, test := range []struct{ typ, data, err string }{
		{"response.failed", `"response": {"status": "failed", "error": {"code": "server_error", "message": "The model crashed"}}`, "The model crashed (server_error)"},
		{"response.incomplete", `"response": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}`, "the answer is incomplete (max_output_tokens)"},
		{"error", `"code": "server_error", "message": "The model crashed", "param": null`, "The model crashed (server_error)"},
	} {
		t.Run(test.typ, func(t *testing.T) {
			events := strings.Join(responseEvents("resp_1")[:3], "")
			rec := serve(t, body(fmt.Sprintf("%sevent: %s\ndata: {%s}\n\n", events, test.typ, test.data), false))
			text, _, err := read(t, rec)
			require.EqualError(t, err, "error in the stream: "+test.err)
			require.Equal(t, "The ", text)
			require.Len(t, rec.seen(), 1)
		})
	}
}

func TestResponseMalformed(t *testing.T) {
	for _, typ := range []string{"response.created", "response.output_text.delta"} {
		rec := serve(t, body("event: "+typ+"\ndata: {\"delta\": 1\n\n", false))
		_, _, err := read(t, rec)
		require.ErrorContains(t, err, typ)
	}
}

// An event without a number leaves the position where it is.
func TestResponsePosition(t *testing.T) {
	var r response
	for _, data := range []string{`{"sequence_number": 7}`, `{}`} {
		require.NoError(t, r.add(nil, sse.Event{Type: "other", Data: data}))
		require.Equal(t, 7, r.after)
	}
}
