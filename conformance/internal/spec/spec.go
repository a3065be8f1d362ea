// Package spec reads the parser cases of the root's testdata/spec; see the README there.
package spec

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/lastevent/sse"
)

// A Case is a stream and what a client must make of it.
type Case struct {
	Name        string
	Stream      string
	StreamB64   []byte      `json:"stream_b64"`
	Cuts        []int       // offsets at which the suite itself cuts the stream
	Events      []sse.Event // dispatched
	LastEventID string      // in force at the end
	Start       string      `json:"initialLastEventId"`
	ContentType string      // "": text/event-stream
}

// Bytes returns the stream.
func (c *Case) Bytes() []byte {
	if c.StreamB64 != nil {
		return c.StreamB64
	}
	return []byte(c.Stream)
}

// Chunks returns the stream in the suite's own cuts.
func (c *Case) Chunks() [][]byte {
	var chunks [][]byte
	from, b := 0, c.Bytes()
	for _, cut := range c.Cuts {
		chunks = append(chunks, b[from:cut])
		from = cut
	}
	return append(chunks, b[from:])
}

// Load returns the cases of the files that pattern matches, "*.json" for all.
func Load(t testing.TB, pattern string) []Case {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(here), "../../../testdata/spec", pattern))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no file is called %s", pattern)
	}
	var all []Case
	for _, file := range files {
		var b []byte
		var cases []Case
		if b, err = os.ReadFile(file); err == nil {
			err = json.Unmarshal(b, &cases)
		}
		if err != nil {
			break
		}
		all = append(all, cases...)
	}
	if err != nil {
		t.Fatal("testdata/spec:", err)
	}
	return all
}
