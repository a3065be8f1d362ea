package wire

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse/internal/reference"
)

func scan(text string, closed bool) *Scanner {
	s := NewScanner(NewSeed())
	_, _ = s.Write([]byte(text))
	if closed {
		s.Close()
	}
	return s
}

// TestEvents: the scanner finds the events of the standard's algorithm, and its unknown
// lines, in streams of every kind and at every cut.
func TestEvents(t *testing.T) {
	var texts []string
	names, err := filepath.Glob("../../../../../testdata/wild/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		texts = append(texts, string(b))
	}
	names, err = filepath.Glob("../../../../../testdata/spec/*.json")
	require.NoError(t, err)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		var anything any
		require.NoError(t, json.Unmarshal(b, &anything))
		texts = append(texts, inputs(anything)...)
	}
	require.Greater(t, len(texts), 100)
	for _, text := range texts {
		want := reference.Parse([]byte(text), "")
		s := NewScanner(NewSeed())
		for i := range len(text) {
			_, _ = s.Write([]byte{text[i]})
		}
		s.Close()
		require.Equal(t, len(want.Events), s.Count, "%q", text)
		for i, ev := range want.Events[:min(len(want.Events), len(s.Events))] {
			got := s.Events[i]
			require.Equal(t, ev.Type, got.Type, "%q", text)
			require.Equal(t, ev.LastEventID, got.ID, "%q", text)
			if len(ev.Data) < maxData && !strings.Contains(ev.Data, "\ufffd") { // the number of U+FFFD is not ours
				require.Equal(t, ev.Data, got.Data, "%q", text)
			}
		}
		require.Equal(t, want.Unfinished != nil, s.Unfinished != "", "%q", text)
		unknown := 0
		for _, id := range []string{UnknownField, Unframed} {
			if f := s.Fault(id); f != nil {
				unknown += f.Count
			}
		}
		if s.Fault(CRInData) == nil { // which otherwise has those that it causes
			require.Equal(t, len(want.Unknown), unknown, "%q", text)
		}
	}
}

// inputs returns the strings below keys that the suites have their streams in.
func inputs(v any) (found []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			found = append(found, inputs(e)...)
		}
	case map[string]any:
		for key, e := range v {
			if text, ok := e.(string); ok && (key == "input" || key == "stream" || key == "in") {
				found = append(found, text)
			} else if !ok {
				found = append(found, inputs(e)...)
			}
		}
	}
	return found
}

// TestFaults: each is found with its line and offset.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, text, id string
		line           int
		offset         int64
	}{
		{"BOM", "\ufeffdata: 1\n\n", BOM, 1, 0},
		{"bare JSON", "data: 1\n\n{\"error\":1}\n", Unframed, 3, 9},
		{"bare JSON without a line end", "data: 1\n\n{\"error\":1}", Unframed, 3, 9},
		{"HTML", "data: 1\n\n  <html>\n", Unframed, 3, 9},
		{"unknown", "data: 1\nfoo: bar\n\n", UnknownField, 2, 8},
		{"another case", "Data: 1\n\n", UnknownField, 1, 0},
		{"unknown, with CR alone", "data: 1\rfoo: bar\r\r", UnknownField, 2, 8},
		{"UTF-8", "data: 1\ndata: a\xff\n\n", InvalidUTF8, 2, 15},
		{"half a character", "data: \xe2\x82\n\n", InvalidUTF8, 1, 6},
		{"CR", "data: 1\rtwo\n\n", CRInData, 1, 7},
		{"NUL", "id: a\x00b\ndata: 1\n\n", NULInID, 1, 0},
		{"long ID", "id: " + strings.Repeat("x", 8<<10+1) + "\n\n", LongID, 1, 0},
		{"control character in an ID", "id: a\x01\n\n", LongID, 1, 0},
		{"retry with a unit", "retry: 3s\n\n", Retry, 1, 0},
		{"empty retry", "retry\n\n", Retry, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := scan(c.text, true).Fault(c.id)
			require.NotNil(t, f)
			assert.Equal(t, 1, f.Count)
			assert.Equal(t, c.line, f.Places[0].Line)
			assert.Equal(t, c.offset, f.Places[0].Offset)
		})
	}
}

// TestNoFaults: what is allowed.
func TestNoFaults(t *testing.T) {
	for _, text := range []string{
		": comment\n\ndata: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\r", "data\n\n", "retry: 0\n\n", "id\ndata: 1\n\n", "id: " + strings.Repeat("x", 8<<10) + "\n\n",
		"event: a\ndata: {\n\n", "data: \ufeff\n\n", "data: \u2028\x00\n\n", "", ":",
	} {
		s := scan(text, true)
		for _, id := range []string{BOM, CRInData, InvalidUTF8, NULInID, Retry, Unframed, UnknownField, LongID} {
			assert.Nil(t, s.Fault(id), "%s in %q", id, text)
		}
		assert.Empty(t, s.Unfinished, "%q", text)
	}
}

// TestBounded: what is kept of a stream does not grow with it.
func TestBounded(t *testing.T) {
	s := NewScanner(NewSeed())
	line := []byte(strings.Repeat("x", 1<<20))
	for range 20 {
		_, _ = s.Write(line)
	}
	assert.Equal(t, maxLine, len(s.line))
	s = scan(strings.Repeat("data\n\n", maxEvents+10)+strings.Repeat("foo\n", 10), false)
	assert.Equal(t, maxEvents+10, s.Count)
	assert.Len(t, s.Events, maxEvents)
	assert.Len(t, s.Fault(UnknownField).Places, maxPlaces)
	assert.Equal(t, 10, s.Fault(UnknownField).Count)
}

// TestPlaces: an event's first and last byte, whatever stands before it.
func TestPlaces(t *testing.T) {
	s := scan(":\ndata: 1\n\n:\n\nretry: 5\nid: 2\ndata: 2\r\n\r\ndata: 3", false)
	require.Len(t, s.Events, 2)
	assert.EqualValues(t, 2, s.Events[0].First)
	assert.EqualValues(t, 10, s.Events[0].Last)
	assert.EqualValues(t, 23, s.Events[1].First)
	assert.EqualValues(t, 38, s.Events[1].Last) // the CR dispatches it
	assert.EqualValues(t, 40, s.Open())
	assert.Len(t, s.Comments, 2)
}
