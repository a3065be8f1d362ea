// Package lean has an [http.RoundTripper] for programs that hold thousands of event streams.
// An idle stream costs a third of what it costs over [http.Transport]: no buffer, and no
// goroutine except its reader's.
//
//	client := sse.Client{HTTPClient: &http.Client{Transport: new(lean.Transport)}}
//
// # What it does differently
//
// Each request has a connection of its own, over HTTP/1.1, which is closed when the response's
// body ends or is closed. The request does not say "Connection: close": a server may then
// leave out the chunks, and a cut could not be told from the end.
//
// A Read of the body returns what has arrived. [http.Transport] fills the slice that it was
// given before it returns, if a chunk is long enough.
//
// These are left out: HTTP/2, the use of a connection for more than one request, gzip, SOCKS
// proxies, upgrades (a 101 has no body), the wait for "100 Continue", and Request.Cancel.
// Redirects, cookies and Client.Timeout are [http.Client]'s, and work.
//
// # What a server can do
//
// Each limit that net/http has is here, too. The response's header may have 256 KiB, with up
// to 100 informational responses before it; a line before a chunk and a trailer may each have
// 4 KiB; the lines before the chunks may exceed their data by 16 KiB. A header or a chunk that
// is malformed is an error, by net/http's rules: the same bytes are accepted by both, and
// FuzzResponse compares them. Errors quote at most 200 bytes of a server's.
package lean
