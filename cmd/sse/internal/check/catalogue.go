package check

// docs is where each finding is explained, below its identifier as a heading.
const docs = "https://github.com/lastevent/sse/blob/main/docs/check.md"

// ids are the identifiers of all findings, in the order of a report.
var ids = []string{
	"no-stream", "content-type", "content-coding", "cache-control", "content-length", "connection-header",
	"header-late", "buffered", "compressed-buffering", "not-flushed",
	"idle-cut", "age-cut", "random-cut", "no-heartbeat",
	"no-ids", "no-resume", "resume-repeats", "resume-gap",
	"unframed", "unknown-field", "invalid-utf8", "cr-in-data", "nul-id", "bom", "unfinished-event", "event-size", "retry",
	"cors", "http1-limit", "certificate",
}

// An entry is what is always said of a finding.
type entry struct {
	title string
	cause string // the likely one, unless the evidence has a better one
	fixes []Fix
}

var catalogue = map[string]entry{
	"no-stream": {
		"The answer is no event stream",
		"The path, the method, the credentials or the Accept header do not fit, or the server behind a proxy is down.",
		[]Fix{{"any server", "Answer 200 with Content-Type: text/event-stream. Every other status ends a browser's EventSource for good."}},
	},
	"content-type": {
		"The media type is not text/event-stream",
		"The handler, or a proxy, sets another type, or none.",
		[]Fix{
			{"any server", "Send Content-Type: text/event-stream, without another charset than utf-8, before the first byte."},
			{"nginx", "Remove add_header, proxy_hide_header, charset and default_type for Content-Type from this location."},
			{"Express", "res.writeHead(200, {'Content-Type': 'text/event-stream'})"},
			{"Spring", "@GetMapping(produces = MediaType.TEXT_EVENT_STREAM_VALUE)"},
		},
	},
	"content-coding": {
		"The stream is compressed although the request asks for identity",
		"A layer sets Content-Encoding without looking at Accept-Encoding. Clients that ask for no coding reject the stream.",
		[]Fix{{"any server", "Leave text/event-stream out of compression."}},
	},
	"cache-control": {
		"A cache may keep the stream",
		"Cache-Control does not keep caches away.",
		[]Fix{
			{"any server", "Send Cache-Control: no-store, or no-cache, and no ETag."},
			{"Express", "res.set('Cache-Control', 'no-store'), and app.set('etag', false) for this route"},
			{"nginx", "Remove expires and proxy_cache from this location."},
		},
	},
	"content-length": {
		"The stream has a Content-Length",
		"A layer waited for the whole response, or guessed its length. A client stops reading there.",
		[]Fix{{"any server", "Send no Content-Length; HTTP/1.1 frames a stream by chunks, HTTP/2 by frames."}},
	},
	"connection-header": {
		"A header of HTTP/1.1 in a response over HTTP/2",
		"The handler sets Connection: keep-alive, and the layer in front passes it on. RFC 9113, section 8.2.2, forbids that; curl and Safari are known to end the stream with a protocol error.",
		[]Fix{
			{"any server", "Do not set Connection, Keep-Alive or Transfer-Encoding in a handler: HTTP/1.1 keeps connections without them."},
			{"HAProxy", "http-response del-header Connection"},
		},
	},
	"header-late": {
		"The response's header comes late",
		"The header waits for the first event, or a proxy holds it back. Clients do not know that they are connected, and time out.",
		[]Fix{
			{"any server", "Flush the header as soon as the request was accepted, or send a comment (\":\\n\\n\") first."},
			{"nginx", "proxy_buffering off; in this location, or X-Accel-Buffering: no from the server behind it"},
			{"Express", "res.flushHeaders()"},
			{"Go", "http.NewResponseController(w).Flush() before the first event"},
			{"Spring", "emitter.send(SseEmitter.event().comment(\"\")) before the SseEmitter is returned"},
		},
	},
	"buffered": {
		"A proxy holds events back",
		"A layer between server and client collects the response before it passes it on.",
		[]Fix{
			{"nginx", "proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection \"\"; in this location, or X-Accel-Buffering: no from the server behind it"},
			{"HAProxy", "Remove http-response wait-for-body; add option http-no-delay."},
			{"Caddy", "reverse_proxy { flush_interval -1 }, and no response_buffers or buffer_responses"},
			{"Envoy", "Remove the buffer filter, and filters that read whole bodies (ext_proc in buffered mode, Lua body())."},
			{"Apache", "ProxyPass … flushpackets=on; SetEnv proxy-sendchunked 1"},
			{"Cloudflare", "Turn off what rewrites bodies for this path, and compression by Cache-Control: no-transform."},
			{"Next.js", "compress: false, or Cache-Control: no-transform, for rewrites and the development server"},
		},
	},
	"compressed-buffering": {
		"Compression holds events back",
		"A layer compresses the stream and writes when its buffer is full. Browsers ask for codings; curl, and many clients in tests, do not, and see nothing wrong.",
		[]Fix{
			{"nginx", "proxy_buffering off; or gzip off; in this location, or gzip_types without text/event-stream and *. no-transform does not stop it."},
			{"HAProxy", "Take text/event-stream out of compression type, or no compression in this backend."},
			{"Caddy", "@other not path /events*, then encode @other gzip: compress everything but the stream. no-transform does not stop it."},
			{"Envoy", "Remove text/event-stream from the compressor's content_type list."},
			{"Express", "Cache-Control: no-transform, or compression({filter: (req, res) => !/event-stream/.test(res.get('Content-Type'))}), or res.flush() after each event"},
			{"Spring", "Take text/event-stream out of server.compression.mime-types."},
			{"Apache", "Take text/event-stream out of AddOutputFilterByType DEFLATE, or SetEnv no-gzip 1 here."},
		},
	},
	"not-flushed": {
		"The server holds events back",
		"The handler writes without flushing, or writes an event without its blank line, so that the rest comes with the next one.",
		[]Fix{
			{"Go", "http.NewResponseController(w).Flush() after each event, and a middleware whose ResponseWriter has Unwrap or Flush"},
			{"Express", "res.write of the whole event, with its blank line; res.flush() with compression()"},
			{"Spring", "SseEmitter or Flux<ServerSentEvent>; response.flushBuffer() after each event with a plain OutputStream"},
			{"Django, Flask", "Yield each event whole from a StreamingHttpResponse or a generator, on a server that streams (ASGI, gunicorn with threads)."},
			{"PHP", "ob_end_flush() once; flush() after each event; output_buffering = Off; zlib.output_compression = Off"},
			{"ASP.NET", "await Response.Body.FlushAsync() after each event"},
		},
	},
	"idle-cut": {
		"Connections are cut when nothing was sent for a while",
		"A layer ends responses that are silent for longer than its limit.",
		[]Fix{
			{"any server", "Send a comment (\":\\n\\n\") at intervals of less than half of the limit: 15 s suits nearly every layer."},
			{"nginx", "proxy_read_timeout 1h; (60 s by default) and send_timeout in this location"},
			{"HAProxy", "timeout server 1h; timeout client 1h in the sections of this stream"},
			{"Envoy", "stream_idle_timeout (5 min by default) and the route's idle_timeout: 0s"},
			{"AWS ALB", "idle_timeout.timeout_seconds (60 s by default)"},
			{"Heroku", "The limit of 55 s is fixed: send comments."},
		},
	},
	"age-cut": {
		"Connections are ended at a certain age",
		"A layer limits the whole time of a response.",
		[]Fix{
			{"any server", "Give events IDs and resume after Last-Event-ID: then an end costs a reconnection and nothing else."},
			{"Go", "Server.WriteTimeout: 0, or http.NewResponseController(w).SetWriteDeadline(time.Time{}) in the handler"},
			{"Caddy", "servers { timeouts { write 0 } }"},
			{"Envoy", "timeout: 0s in the route (15 s by default), and max_stream_duration"},
			{"Google Cloud", "timeoutSec of the backend service (30 s by default)"},
			{"Spring", "new SseEmitter(0L), and spring.mvc.async.request-timeout: -1"},
			{"AWS Lambda", "15 min is the most; API Gateway ends REST responses after 29 s by default."},
			{"Vercel", "export const maxDuration, up to what the plan allows"},
		},
	},
	"random-cut": {
		"Connections are cut",
		"The server or a proxy was restarted, or gave up; or something on the way drops connections.",
		[]Fix{{"any server", "Look for the time of the cut in the logs of each layer. Give events IDs, so that clients resume."}},
	},
	"no-heartbeat": {
		"The stream is silent for longer than a minute",
		"The server sends nothing between events. Many layers cut a silent connection after 60 s, and neither side notices when the other has gone.",
		[]Fix{
			{"any server", "Send a comment (\":\\n\\n\") each 15 s while there is no event."},
			{"Spring", "Flux.merge(events, Flux.interval(Duration.ofSeconds(15)).map(i -> ServerSentEvent.builder().comment(\"\").build()))"},
			{"Express", "setInterval(() => res.write(':\\n\\n'), 15000), cleared at req.on('close')"},
		},
	},
	"no-ids": {
		"Events have no IDs",
		"The server sends no id fields. A client that reconnects cannot say where it was: what was sent meanwhile is lost.",
		[]Fix{{"any server", "Send an id field with each event, and resume after the Last-Event-ID header of a request."}},
	},
	"no-resume": {
		"The stream does not resume after Last-Event-ID",
		"The server sends IDs and does not read the header, a layer removes it, or its log does not reach back.",
		[]Fix{
			{"any server", "Send what followed the event with that ID, then what is new; start where you can after an ID that you do not know."},
			{"Express", "req.get('Last-Event-ID')"},
			{"Spring", "@RequestHeader(name = \"Last-Event-ID\", required = false)"},
			{"Go", "r.Header.Get(\"Last-Event-ID\")"},
		},
	},
	"resume-repeats": {
		"Resumption repeats events",
		"The server replays from the event with that ID, and not after it.",
		[]Fix{{"any server", "Begin with the first event after the one with that ID; send nothing old where it is the newest."}},
	},
	"resume-gap": {
		"Resumption loses events",
		"The server's log misses events, or it begins one too late.",
		[]Fix{{"any server", "Read the log and subscribe to what is new in one step, so that nothing falls between them."}},
	},
	"unframed": {
		"Text that is in no field",
		"Something writes JSON or HTML into the stream: an error handler, or a proxy's error page. Clients ignore it.",
		[]Fix{
			{"any server", "Once a stream is open, send an error as an event: event: error, data: {…}, blank line."},
			{"Express", "In the error handler: if (res.headersSent) send an event and res.end()"},
		},
	},
	"unknown-field": {
		"Lines that clients ignore",
		"Data with line breaks was written after one data: prefix, or a field's name is misspelled.",
		[]Fix{{"any server", "Begin each line of the data with data:, or send JSON, which has no raw line breaks."}},
	},
	"invalid-utf8": {
		"Bytes that are not UTF-8",
		"Text in another encoding, or text that was cut inside a character. Clients read U+FFFD in its place.",
		[]Fix{{"any server", "Encode text as UTF-8, and cut it between characters."}},
	},
	"cr-in-data": {
		"A carriage return ends a line inside an event",
		"Text with CR or CRLF line breaks was written as it is. CR ends a line of an event stream: what follows it is lost.",
		[]Fix{{"any server", "Split data at CR, LF and CRLF, and begin each line with data:."}},
	},
	"nul-id": {
		"An ID with a NUL",
		"Clients ignore the whole id field, and resume after an older one.",
		[]Fix{{"any server", "Use IDs of printable characters."}},
	},
	"bom": {
		"The stream begins with a byte order mark",
		"A template or a file was saved with one. The standard drops it, but many clients lose the first event.",
		[]Fix{{"any server", "Write UTF-8 without a BOM."}},
	},
	"unfinished-event": {
		"The stream ends inside an event",
		"The server ended without the last event's blank line, or an answer stopped before its end. Clients drop what is unfinished.",
		[]Fix{{"any server", "End each event by a blank line, the last one included."}},
	},
	"event-size": {
		"Events over the limits of some clients",
		"Some clients read lines of at most 4 KB, 64 KB or 1 MB, and fail on the same event again after each reconnection.",
		[]Fix{{"any server", "Send a reference to what is large, or several data: lines."}},
	},
	"retry": {
		"A retry field that does harm",
		"Only digits count, in milliseconds. Zero makes all clients reconnect at once after a restart, and a large value keeps them away.",
		[]Fix{{"any server", "Send retry: 3000 or so, between 10 ms and an hour."}},
	},
	"cors": {
		"A page of this origin cannot read the stream",
		"The response lacks Access-Control-Allow-Origin for it.",
		[]Fix{
			{"any server", "Send Access-Control-Allow-Origin: that origin, or *, exactly once, with errors and preflights, too."},
			{"nginx", "add_header Access-Control-Allow-Origin $http_origin always; and not in the server behind it as well"},
			{"Express", "app.use(cors({origin})) before the route"},
			{"Spring", "@CrossOrigin, or CorsRegistry; with Spring Security also http.cors()"},
		},
	},
	"http1-limit": {
		"Browsers open six connections to a host over HTTP/1.1",
		"HTTP/2 is not offered. The seventh stream or request of all tabs together waits, without an error.",
		[]Fix{
			{"nginx", "listen 443 ssl http2; (http2 on; since 1.25.1)"},
			{"HAProxy", "bind :443 ssl crt … alpn h2,http/1.1"},
			{"Caddy", "HTTPS with its defaults offers HTTP/2."},
			{"any server", "Serve over HTTPS with HTTP/2, or share one stream among tabs by a SharedWorker or a BroadcastChannel."},
		},
	},
	"certificate": {
		"The certificate is not valid",
		"It has expired, is for another name, or its chain is not complete.",
		[]Fix{
			{"any server", "Install the certificate with its intermediate certificates, for this name, and renew it automatically."},
			{"nginx", "ssl_certificate fullchain.pem (not cert.pem)"},
		},
	},
}
