package ssetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestReaderOfCall: several Readers at a time are told apart, and a Reader whose stream has
// ended leaves its place to the next one.
func TestReaderOfCall(t *testing.T) {
	require.Nil(t, readerOfCall())
	places := len(running.readers)
	readers := []*Reader{new(Reader), new(Reader), new(Reader)}
	callAs(readers[0], func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			require.Nil(t, readerOfCall())
			callAs(readers[1], func() { require.Same(t, readers[1], readerOfCall()) })
			callAs(readers[2], func() { require.Same(t, readers[2], readerOfCall()) })
		}()
		<-done
		require.Same(t, readers[0], readerOfCall())
	})
	for range 10 {
		require.Len(t, Take(t, sse.Read(strings.NewReader("data: 1\n\n")), 1), 1)
	}
	require.LessOrEqual(t, len(running.readers), max(places, 2))
	for _, r := range running.readers {
		require.Nil(t, r)
	}
}
