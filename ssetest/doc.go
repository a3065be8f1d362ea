// Package ssetest tests event streams from both ends: an http.Handler that serves events,
// and a client that reads them.
//
//	// What clients and proxies need of a handler, as a subtest for each thing.
//	func TestHandler(t *testing.T) { ssetest.TestHandler(t, feed) }
//
//	// What a handler sends.
//	func TestFeed(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			srv := ssetest.NewServer(t, feed)
//			client := sse.Client{HTTPClient: srv.Client()}
//			got := ssetest.Take(t, client.Get(t.Context(), srv.URL()), 3)
//			…
//		})
//	}
//
//	// What a client makes of a server that fails.
//	func TestClient(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			srv := ssetest.NewScriptedServer(t,
//				func(c *ssetest.Conn) { c.Send(sse.Event{Data: "a"}); c.Abort() },
//				func(c *ssetest.Conn) { c.Status(503, "restarting") },
//				func(c *ssetest.Conn) { c.Send(sse.Event{Data: "b"}) },
//			)
//			…
//		})
//	}
//
// The server is net/http's, on a network in memory. Inside a testing/synctest bubble
// everything runs in fake time: hours of silence pass at once, and nothing is flaky.
// Outside of one it works just as well, in real time.
//
// [Take], [Await] and [NoEvents] each open a stream; a [Reader] has them as methods, one
// after another on one stream. They fail the test with what came, what was awaited, and
// what went over the wire.
//
// A recording is a stream in a file, with its timing. [Replay] is a server that plays one,
// such as the answer of a language model that 'sse record' has recorded once. [Golden]
// compares a stream with one. A [Recorder] writes down what a client does as one.
package ssetest
