package suite

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/reference"
)

// stream returns the event stream that a client reads from a response: its bytes, up to where
// they are cut off, and false if the response is none.
func stream(t *testing.T, r *Response) ([]byte, bool) {
	if r.Raw != nil {
		in := bufio.NewReader(strings.NewReader(*r.Raw))
		for {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				return nil, false // a network error
			}
			if resp.StatusCode < 200 {
				continue
			}
			require.Equal(t, http.StatusOK, resp.StatusCode)
			b, _ := io.ReadAll(resp.Body) // what was cut off is an error
			resp.Body.Close()
			return b, true
		}
	}
	ok := r.Status == 0
	for _, line := range r.Header {
		if line = strings.ToLower(line); r.Status == 0 && strings.HasPrefix(line, "content-type:") {
			ok = strings.Contains(line, "text/event-stream") // the last one counts
		}
	}
	return r.Bytes(), ok
}

// TestScripts: the events and the IDs that the scenarios expect are those of the reference
// parser, which shares no code with package sse and none with what has written the cases.
func TestScripts(t *testing.T) {
	cases, _, err := Load()
	require.NoError(t, err)
	for i := range cases {
		c := &cases[i]
		s := c.Script()
		if s.Stops && len(s.Events) == 0 {
			continue // no response of these is an event stream
		}
		var events []Event
		id := ""
		for n := range s.Responses {
			if n > 0 && n < len(s.Requests) && s.Requests[n].LastEventID != nil {
				assert.Equal(t, *s.Requests[n].LastEventID, id, "%s: request %d", c.ID, n+1)
			}
			b, ok := stream(t, &s.Responses[n])
			if !ok {
				continue
			}
			if b == nil {
				b = []byte{}
			}
			got := reference.Parse(bytes.Clone(b), id)
			for _, ev := range got.Events {
				events = append(events, Event(ev))
			}
			id = got.LastEventID
		}
		assert.True(t, slices.Equal(s.Events, events), "%s:\n%q\n%q", c.ID, s.Events, events)
	}
}
