package ssetest

import (
	"testing"

	"github.com/lastevent/sse/internal/recording"
)

// Replay starts a server that plays a recording, a file that 'sse record', a [Recorder],
// [Golden] or a person has written; docs/recording.md describes the format. It sends what was
// recorded, with the recorded times and chunks, cuts included. In a testing/synctest bubble
// a recording of a day takes no time.
//
// Each request is answered by the first connection of the recording that has not been played
// yet and that was recorded with the same Last-Event-ID, or without one. If there is none, and
// the recording has an event with that ID, the answer is what follows that event, which may be the
// next connection. Otherwise it is the first connection that has not been played. If a client
// reconnects while it waits for what follows an event, the time that it has waited counts.
//
// If the recording has connections with the method and the path of the request, only those are
// played. A connection counts as played once it has begun. When all have been played the answer is
// 204 No Content, which ends a client's stream.
//
// It fails the test if the file is not a recording.
func Replay(t testing.TB, file string) *Server {
	t.Helper()
	rec, err := recording.ReadFile(file)
	if err != nil {
		t.Fatalf("ssetest: %v", err)
		return nil
	}
	if rec.Truncated {
		t.Logf("ssetest: the last line of %s is incomplete, and is not played", file)
	}
	return newServer(t, recording.NewPlayer(rec), rec.HTTP2())
}
