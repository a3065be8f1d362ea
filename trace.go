package sse

import (
	"net/http"
	"time"
)

// Trace is a set of hooks that see what a stream does, in the manner of
// [net/http/httptrace]. Any of them may be nil. They are called one at a time for each
// stream, on the goroutine that ranges over the events or calls Next, and the stream that a
// hook reports on waits until the hook returns. A hook may call Stream.Restart and
// Stream.Close, but not Next. Stream.Close calls Disconnect if no Next is running.
type Trace struct {
	// Connect is called before each request, which Client.Prepare has seen.
	Connect func(*http.Request)

	// Open is called when a response opens the stream. Leave its Body alone.
	Open func(*http.Response)

	// Comment is called for each comment line, with the text after its colon, cut to
	// 64 KiB. Servers send comments to keep a stream alive.
	Comment func(text string)

	// Unknown is called for each line that is neither a comment nor a field of the
	// standard, cut to 64 KiB: see Parser.Unknown.
	Unknown func(line string)

	// Disconnect is called exactly once for each Connect, and for a response that was
	// given to Client.Continue, when the connection has been closed: even after break or
	// panic in the loop body.
	Disconnect func(DisconnectInfo)
}

// DisconnectInfo describes why a connection ended and what comes next.
type DisconnectInfo struct {
	Request     *http.Request // as given to Trace.Connect
	Err         error         // nil: the consumer stopped, or 204; io.EOF: the server closed
	LastEventID string        // what the next connection resumes after
	Reconnect   bool          // whether there will be a next connection
	Delay       time.Duration // until then
}
