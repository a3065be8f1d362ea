package browser

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
)

// httpScenarios are what is around the stream: statuses, media types, redirects, drops,
// waits, URLs, and close.
func httpScenarios() []*scenario {
	const one = "id: 1\nretry: 50\ndata: one\n\n"
	var all []*scenario
	add := func(name string, answers ...answer) *scenario {
		sc := &scenario{name: name, answers: answers}
		all = append(all, sc)
		return sc
	}

	codes := []int{200, 201, 202, 203, 204, 205, 206, 210, 299, 300, 301, 302, 303, 304, 305, 306, 307, 308,
		400, 402, 403, 404, 405, 406, 408, 409, 410, 415, 418, 422, 425, 426, 429, 451,
		500, 501, 502, 503, 504, 505, 511, 520, 529, 599}
	for _, code := range codes {
		add(fmt.Sprintf("status/%d at first", code), status(code)).maxErrors = 1
		add(fmt.Sprintf("status/%d on a reconnection", code), stream(one), status(code)).maxErrors = 3
	}
	add("status/503 with Retry-After", status(503, "Retry-After", "0"))

	for _, contentType := range []string{
		"text/event-stream", "TEXT/Event-Stream", "text/event-stream;", "text/event-stream;;", " text/event-stream ",
		"text/event-stream; charset=utf-8", "text/event-stream;charset=UTF-8", `text/event-stream; charset="utf-8"`,
		"text/event-stream; charset=windows-1252", "text/event-stream; charset=", "text/event-stream; x=y", "text/event-stream; x",
		"text/event-stream; charset=utf-8; charset=utf-8", "text/event-stream ; x=\"a,b\"",
		"text/plain", "-", "", "x bogus", "text/x-bogus", "text/event-stream charset=utf-8", "text/event-streams", "event-stream",
		"text/event-stream/x", "text / event-stream", "application/json", "*/*",
		"text/event-stream, text/plain", "text/plain, text/event-stream", "text/event-stream, text/event-stream",
	} {
		add(fmt.Sprintf("media type/%q", contentType), media(contentType, "retry: 50\ndata: ok…\n\n")).maxErrors = 3
	}
	add("media type/in two lines, the second is it", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = []string{"text/plain", "text/event-stream"}
		fmt.Fprint(w, one)
	}).maxErrors = 3
	add("media type/on a reconnection, text/plain", stream(one), media("text/plain", one))
	// Tokens that name no content coding mean nothing.
	for _, token := range []string{
		"identity", "Identity", "identity, identity", "none", "NONE", "utf-8", "UTF-8", "chunked", "aws-chunked", "binary", "", ",",
	} {
		add(fmt.Sprintf("encoding/%q", token), encoded(token, one)).maxErrors = 3
	}
	add("encoding/gzip, unasked", encoded("gzip", gzipped(one)))
	add("encoding/gzip, and identity", encoded("gzip, identity", gzipped(one)))
	add("encoding/compress, but the body is not compressed", encoded("compress", one))

	for _, code := range []int{301, 302, 303, 307, 308} {
		to := status(code, "Location", "target")
		add(fmt.Sprintf("redirect/%d", code), to, stream("retry: 50\ndata: one\n\n")).maxErrors = 1
		add(fmt.Sprintf("redirect/%d, then a reconnection", code), to, stream(one))
		add(fmt.Sprintf("redirect/%d of a reconnection", code), stream(one), to, stream("data: two\n\n")).maxErrors = 2
		add(fmt.Sprintf("redirect/%d without a Location", code), status(code))
		add(fmt.Sprintf("redirect/%d to nowhere", code), status(code, "Location", ""))
		add(fmt.Sprintf("redirect/%d to 404", code), to, status(404))
		add(fmt.Sprintf("redirect/%d to ftp", code), status(code, "Location", "ftp://127.0.0.1/"))
	}
	for _, n := range []int{5, 10, 20} {
		var hops []answer
		for i := range n {
			hops = append(hops, status(302, "Location", fmt.Sprintf("hop%d", i)))
		}
		add(fmt.Sprintf("redirect/%d times", n), append(hops, stream("data: there\n\n"))...).maxErrors = 1
	}

	const header = "HTTP/1.1 200 OK\nContent-Type: text/event-stream\n"
	const chunk = "1a\nretry: 50\ndata: chunk\n\n\n" // with CRLF: 26 bytes of it are the stream
	drop := func(name, response string, reset bool) {
		add("drop/"+name, raw(response, reset), stream("retry: 50\ndata: again\n\n"))
	}
	drop("before any byte", "", false)
	drop("in the header", "HTTP/1.1 200 OK\nContent-Ty", false)
	drop("after the header", header+"\n", false)
	drop("after the header, chunked", header+"Transfer-Encoding: chunked\n\n", false)
	drop("without framing, after an event", header+"\nretry: 50\ndata: one\n\n", false)
	drop("without framing, inside an event", header+"\nretry: 50\ndata: one\n\nid: 7\ndata: two\n", false)
	drop("short of the Content-Length", header+"Content-Length: 1000\n\nretry: 50\ndata: one\n\ndata: t", false)
	drop("inside a chunk", header+"Transfer-Encoding: chunked\n\n"+chunk+"40\ndata: two\n\n", false)
	drop("between chunks", header+"Transfer-Encoding: chunked\n\n"+chunk, false)
	// Chromium loses what comes in one read with a bad length, so that comes later.
	drop("bad chunk length", header+"Transfer-Encoding: chunked\n\n"+chunk+pause+"zz\ndata: two\n\n", false)
	drop("reset before any byte", "", true)
	drop("reset after an event", header+"\nretry: 50\ndata: one\n\n", true)
	drop("not HTTP", "220 ready\n\n", false)
	add("drop/empty body", stream(""), stream(one))
	add("drop/empty body, three times", stream("retry: 50\n"), stream(""), stream(""), stream(one))
	add("drop/redirect loop", status(302, "Location", "."), status(302, "Location", "."), status(302, "Location", ".")).maxErrors = 2

	// Text that is no field dispatches nothing, and neither does a block that a clean end
	// cuts off: its ID does not count.
	ends := func(name, body string) {
		add("end/"+name, stream("retry: 50\n\n"+body), stream("data: again\n\n"))
	}
	const failure = `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`
	ends("after a bare JSON error", failure)
	ends("after a bare JSON error and a blank line", failure+"\n\n")
	ends("after a bare JSON error of several lines", "{\n  \"error\": {\n    \"code\": 429\n  }\n}\n")
	ends("after a bare JSON error that follows an event", "id: 1\ndata: one\n\n"+failure+"\n")
	ends("after a bare JSON error within an event", "id: 1\ndata: one\n"+failure+"\ndata: more\n\n")
	ends("after a bare [DONE]", "data: one\n\n[DONE]\n\n")
	ends("after an HTML page", "<!doctype html>\n<title>502 Bad Gateway</title>\n<p style=\"color: red\">data: x</p>\n\n")
	ends("before the blank line", "id: 1\ndata: one\n\nevent: error\nid: 2\ndata: two\n")
	ends("before the blank line, with CR", "id: 1\rdata: one\r\rid: 2\rdata: two\r")
	ends("inside a data line", "id: 1\ndata: one\n\nid: 2\ndata: tw")
	ends("inside an id line", "id: 1\ndata: one\n\nid: 2")
	ends("after an id line only", "id: 1\ndata: one\n\nid: 2\n")
	ends("after an empty id line only", "id: 1\ndata: one\n\nid\n")
	ends("after a bare JSON error and half an event", "id: 1\ndata: one\n\n"+failure+"\nid: 2\ndata: two\n")
	drop("at the last chunk, inside an event", header+"Transfer-Encoding: chunked\n\n"+chunk+"12\nid: 7\ndata: two\n\n0\n\n", false)

	timed := func(name, body string) {
		add("wait/"+name, stream(body), stream("data: after\n\n")).timed = true
	}
	timed("retry 0", "retry: 0\ndata: x\n\n")
	timed("retry 50", "retry: 50\ndata: x\n\n")
	timed("retry 2000", "retry:2000\n\n")
	timed("retry 02000 is not octal", "retry:02000\n\n")
	timed("retry without a blank line", "data: x\n\nretry: 2000\n")
	timed("the last retry counts", "retry: 20000\nretry: 50\nretry: 2000\n\n")
	for _, bad := range []string{"50x", "+50", "-50", " 50", "5_0", "0x50", "", "50.0", "５０", "50 "} {
		timed(fmt.Sprintf("retry %q does not count", bad), "retry: 2000\nretry:"+bad+"\n\n")
	}
	timed("no retry at all", "data: x\n\n")

	add("header/the standard's", stream("data: x\n\n")).headers = true
	all[len(all)-1].closeAt = "event"
	add("header/an ID of 9000 bytes", stream("id: 1\ndata: x\n\nid: "+strings.Repeat("7", 9000)+"\nretry: 50\ndata: y\n\n"))

	for _, u := range []string{"http://this is invalid/", "http://[::1", "ftp://example.not/", "about:blank",
		"mailto:whatwg@awesome.example", "javascript:alert('FAIL')", "data:text/event-stream,data:x%0A%0A"} {
		all = append(all, &scenario{name: "url/" + u, url: u, maxErrors: 1})
	}

	close3 := stream("retry: 50\ndata: one\n\ndata: two\n\ndata: three\n\n")
	for _, kind := range []string{"open", "event", "error"} {
		add("close/in the listener of "+kind, close3, close3).closeAt = kind
	}
	return all
}

// encoded answers with an event stream of these bytes and a Content-Encoding.
func encoded(coding, body string) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", coding)
		stream(body)(w, r)
	}
}

func gzipped(body string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(body))
	_ = z.Close()
	return b.String()
}
