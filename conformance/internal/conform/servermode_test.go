//go:build unix

package conform

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDeafClient: a client that does not read its standard input ends with an error, once
// the pipe is full, and the next scenario starts it again.
func TestDeafClient(t *testing.T) {
	s, err := NewServerMode([]string{"sleep", "600"})
	require.NoError(t, err)
	defer s.Close()
	start := time.Now()
	for n := 0; err == nil; n++ {
		require.Less(t, n, 2000)
		_, err = s.Start(fmt.Sprintf("http://127.0.0.1/%d/%s", n, strings.Repeat("x", 1000)), nil, func(Record) {})
	}
	require.ErrorContains(t, err, "it does not read its standard input")
	require.Less(t, time.Since(start), 30*time.Second)
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.p == nil
	}, 10*time.Second, 10*time.Millisecond)
	stop, err := s.Start("http://127.0.0.1/", nil, func(Record) {})
	require.NoError(t, err)
	stop()
}

// TestParseRecord: what a line of the protocol may be.
func TestParseRecord(t *testing.T) {
	for line, want := range map[string]string{
		`{"type":"a","data":"b","id":"c"}`:                  `"a" "b" with the ID "c"`,
		`{"data":"b"}`:                                      `"message" "b"`,
		`{"type":"","data":"b","id":""}`:                    `"message" "b" with the ID ""`,
		`{"type_b64":"/w==","data_b64":"","id_b64":"YQ=="}`: `"\xff" "" with the ID "a"`,
		`{"url":"u","data":"b"}`:                            `"message" "b"`,
	} {
		r, _, err := parseRecord([]byte(line))
		require.NoError(t, err, line)
		require.Equal(t, want, describe(r), line)
	}
	for line, want := range map[string]Record{
		`{"open":true}`:                  {Open: true},
		`{"closed":true,"url":"x"}`:      {Closed: true},
		`{"error":"text"}`:               {Error: true},
		`{"error":{"any":["value"]}}`:    {Error: true},
		`{"open":true,"something":null}`: {Open: true},
	} {
		r, _, err := parseRecord([]byte(line))
		require.NoError(t, err, line)
		require.Equal(t, want, r, line)
	}
	for _, line := range []string{``, `x`, `1`, `null`, `[]`, `{}`, `{"open":false}`, `{"error":null}`, `{"data":1}`, `{"data_b64":"%"}`, `{"data":"a"}{"data":"b"}`} {
		_, _, err := parseRecord([]byte(line))
		require.Error(t, err, line)
	}
}
