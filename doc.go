// Package sse is a client for server-sent events, the event streams of the HTML
// standard's EventSource (section 9.2).
//
//	for ev, err := range sse.Get(ctx, url) {
//		if err != nil {
//			return err // the stream is over
//		}
//		fmt.Println(ev.Type, ev.Data, ev.LastEventID)
//	}
//
// A stream is text over HTTP. Lines end in LF, CR or CRLF; a field's name stands before
// the first colon; a blank line dispatches the event. The stream
//
//	: a comment, which keeps the connection alive
//	retry: 5000
//
//	event: change
//	id: 7
//	data: {"on":
//	data:  true}
//
//	data: more
//
// gives, in the form of [Event],
//
//	{Type: "change", Data: "{\"on\":\n true}", LastEventID: "7"}
//	{Type: "message", Data: "more", LastEventID: "7"}
//
// and, from then on, waits of at least five seconds before a reconnection.
//
// [Get] and [Client.Events] return the events of a stream, over as many connections as it
// takes. [Client.Stream] returns the same stream as a [Stream] that is pulled: events
// without allocations, the response at hand, restarts. [Decode] parses the events' data as
// JSON, and [EventSource] calls listeners as a browser does. A program that already has a
// response's body uses [Read], or [NewParser] to read it without allocating. Package
// ssetest tests both ends.
//
// # Guarantees
//
// An error ends the stream, and is returned once. Drops that reconnecting fixes are only
// reported to [Trace].
//
// A reconnection resumes after the last event that was handled, which is one whose loop
// body has returned: a server that replays from Last-Event-ID is asked for each event
// until then.
//
// The package starts no goroutine that outlives a call. The stream lives on the goroutine
// that ranges over it; break, return and panic close the connection, and so does the
// context. What ends a connection also closes the response's body, on a goroutine of its
// own that the call waits for, one second at most.
//
// Everything that the server controls has a limit: lines, events, the bodies of refusals,
// and the waits that it asks for.
//
// # Answers of language models
//
// Services that stream an answer end it with a sentinel, such as [DONE]. Give it to
// [Decode] or [Until], and an answer that was cut off is an error, an
// [*UnfinishedError]; without it, only the end of the stream shows that the answer is over.
//
// Such services also send JSON errors instead of events. With another status or media
// type the error is a [*ResponseError], which has the body. Without a data field it is
// text that is no event, which UnfinishedError.Text has. Within an event it is data like
// any other: look for it in what you decode.
//
// # Departures from the standard
//
//   - The default policy reconnects only after the stream has been open once, only for
//     requests that may be repeated, and then also after 408, 425, 429 and every 5xx but 501
//     and 505. The standard's own policy is Reconnect: [Standard].
//   - Waits grow while there is no progress, and have a random part. A retry value counts
//     within 10 ms … 1 h.
//   - The ID in force outlives the connection, as it does in browsers: events without an
//     id carry it in the next one, too.
//   - An ID that no header can carry is not sent: see [Resumable]. The stream resumes after
//     the last one that can. Spaces around an ID are trimmed.
//   - An event's data, and a data, event, id or retry line, is limited in size:
//     [DefaultMaxEventSize], [ErrEventTooLarge].
//   - Requests ask for Accept-Encoding: identity, because compressing proxies hold streams
//     back, and a response that is encoded anyway is rejected. Tokens in Content-Encoding
//     that name no coding are ignored, as browsers do.
//   - An event that a clean end cut off is reported in an [*UnfinishedError]. It is not
//     dispatched, and its ID does not count, as the standard has it.
//   - An EventSource's relative URL is an error: there is nothing to resolve it against.
//   - After a redirect, also a permanent one, a reconnection starts at the original URL.
//   - [Client.IdleTimeout], if set, drops connections that are silent.
package sse
