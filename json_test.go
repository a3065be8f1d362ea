package sse_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

func TestDecode(t *testing.T) {
	type item struct{ N int }
	const body = "data:{\"n\":1}\n\ndata:{\"n\":2}\n\ndata:[DONE]\n\ndata:{\"n\":3}\n\n"
	collect := func(r io.Reader, stop ...string) (items []item, err error) {
		for v, e := range sse.Decode[item](sse.Read(r), stop...) {
			require.NoError(t, err)
			if err = e; e == nil {
				items = append(items, v)
			} else {
				require.Zero(t, v)
			}
		}
		return items, err
	}
	items, err := collect(strings.NewReader(body), "[DONE]", "bye")
	require.NoError(t, err)
	require.Equal(t, []item{{1}, {2}}, items)

	items, err = collect(strings.NewReader(body))
	require.Equal(t, []item{{1}, {2}}, items)
	require.EqualError(t, err, `sse: event "message", ID "": invalid character 'D' looking for beginning of value in "[DONE]"`)

	_, err = collect(strings.NewReader("event:e\nid:7\ndata:{\"n\":\"" + strings.Repeat("x", 1000) + "\"}\n\n"))
	require.ErrorContains(t, err, `sse: event "e", ID "7": json: cannot unmarshal string`)
	require.ErrorContains(t, err, `in "{\"n\":\"`+strings.Repeat("x", 58)+`"`)

	for v, err := range sse.Decode[struct{ A, B int }](sse.Read(strings.NewReader(`data:{"a":1,"b":"x"}` + "\n\n"))) {
		require.Error(t, err)
		require.Zero(t, v, "nor what was decoded before the error")
	}

	items, err = collect(strings.NewReader("data:{\"n\":1}\n\ndata:{\"n\":2}\n"))
	require.Equal(t, []item{{1}}, items)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	for v, err := range sse.Decode[map[string]int](sse.Read(strings.NewReader("data:{\"a\":1}\n\ndata:{\"b\":2}\n\n"))) {
		require.NoError(t, err)
		require.Len(t, v, 1, "each value is a new one")
	}
	for range sse.Decode[item](sse.Read(strings.NewReader(body))) {
		break
	}
}

// TestDecodeClosesTheStream at the stop word.
func TestDecodeClosesTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan bool, 1)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			hold("data:1\n\ndata:[DONE]\n\n")(w, r)
			left <- true
		})
		n := 0
		for v, err := range sse.Decode[int]((&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"), "[DONE]") {
			require.NoError(t, err)
			n += v
		}
		require.Equal(t, 1, n)
		require.True(t, <-left)
	})
}
