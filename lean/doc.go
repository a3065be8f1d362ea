// Package lean has an [http.RoundTripper] for programs that hold thousands of event streams.
// A stream that is idle costs a fraction of what it costs with [http.Transport], and no
// goroutine but its reader's.
package lean
