package pace

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTransport(t *testing.T) {
	errCut := errors.New("cut")
	for stream, want := range map[string]string{
		"":                      "retry:20\n",
		"data: 1\n\n":           "retry:20\ndata: 1\n\n",
		"\n":                    "retry:20\n\n",
		"\ufeff":                "\ufeffretry:20\n",
		"\ufeffdata":            "\ufeffretry:20\ndata",
		"\xef\xbbdata":          "retry:20\n\xef\xbbdata",
		"\xef":                  "retry:20\n\xef",
		"\ufeff\ufeffretry:1\n": "\ufeffretry:20\n\ufeffretry:1\n",
	} {
		tr := Transport(roundTripper(func(*http.Request) (*http.Response, error) {
			r := io.MultiReader(strings.NewReader(stream), iotest.ErrReader(errCut))
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(r)}, nil
		}), 20*time.Millisecond)
		for _, want := range []string{want, stream} { // the second stream is left as it is
			resp, err := tr.RoundTrip(nil)
			require.NoError(t, err)
			got, err := io.ReadAll(iotest.OneByteReader(resp.Body))
			require.ErrorIs(t, err, errCut)
			require.Equal(t, want, string(got))
		}
	}
}

// TestTransportRefusal: what does not open the stream is not touched, and does not count.
func TestTransportRefusal(t *testing.T) {
	status := http.StatusFound
	tr := Transport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("body"))}, nil
	}), time.Second)
	for _, want := range []string{"body", "retry:1000\nbody"} {
		resp, err := tr.RoundTrip(nil)
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		status = http.StatusOK
	}
}
