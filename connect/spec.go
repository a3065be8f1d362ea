package connect

import "github.com/redpanda-data/benthos/v4/public/service"

// Names of fields.
const (
	fieldURL            = "url"
	fieldURLs           = "urls"
	fieldMethod         = "method"
	fieldHeaders        = "headers"
	fieldBody           = "body"
	fieldLastEventID    = "last_event_id"
	fieldTypes          = "types"
	fieldPosition       = "position"
	fieldCache          = "cache"
	fieldKey            = "key"
	fieldLimit          = "checkpoint_limit"
	fieldIdleTimeout    = "idle_timeout"
	fieldHeaderTimeout  = "header_timeout"
	fieldMaxEventSize   = "max_event_size"
	fieldReconnect      = "reconnect"
	fieldOnEnd          = "on_end"
	fieldOnError        = "on_error"
	fieldTime           = "time"
	fieldProxyURL       = "proxy_url"
	fieldTLS            = "tls"
	fieldOAuth2         = "oauth2"
	fieldEnabled        = "enabled"
	fieldClientKey      = "client_key"
	fieldClientSecret   = "client_secret"
	fieldTokenURL       = "token_url"
	fieldScopes         = "scopes"
	fieldEndpointParams = "endpoint_params"
)

// Values of reconnect.on_end and reconnect.on_error.
const (
	onAuto      = "auto"
	onAlways    = "always"
	onNever     = "never"
	onTransient = "transient"
	onStandard  = "standard"
)

const description = `
Each event becomes one message, whose content is the event's data. Connections that end are opened again, with the ` + "`Last-Event-ID`" + ` of the last event that was received and with growing waits, as the server's ` + "`retry`" + ` and ` + "`Retry-After`" + ` ask.

### Delivery

With ` + "`position.cache`" + ` set, delivery is at least once, also when the process is killed. The position of a stream is the ID of the last event such that this event and all events before it have been acknowledged. It is stored in the cache after each acknowledgement, and a pipeline that starts sends it as ` + "`Last-Event-ID`" + `. After a crash, at most ` + "`checkpoint_limit`" + ` events of each stream are delivered again; after a graceful stop, none. Without a cache, a pipeline that starts again starts where ` + "`last_event_id`" + ` says.

All of this requires a server that sends IDs and replays the events after a ` + "`Last-Event-ID`" + `. Events without an ID of their own are delivered like all others, but they do not move the position: after a restart, the server decides whether they are sent again, and how many. An ID that no header can carry (with a control character, or longer than 8 KiB) is never stored: the position stays at the ID before it.

A message that the output rejects is delivered again, after messages that followed it, unless ` + "`auto_replay_nacks`" + ` is false. Meanwhile at most ` + "`checkpoint_limit`" + ` events after it are read.

### The end of a stream

A stream ends with 204 No Content, and where ` + "`reconnect`" + ` says so: by default after the complete answer to a POST. The input ends when all of its streams have ended. A stream that ends with an error is reported by a log line at level error, which names the error, and by the metric ` + "`sse_failures`" + `. One of these errors is that of a truncated answer, which the server closed inside an event or after text that is no event.

### Metadata

- ` + "`sse_type`" + `: the event's type, ` + "`message`" + ` if the server named none
- ` + "`sse_id`" + `: the last event ID in force, if there is one. It stays in force for events without an ID, so it does not identify an event.
- ` + "`sse_retry`" + `: the server's last reconnection time in milliseconds, if it has sent one
- ` + "`sse_url`" + `: the URL as configured, without user name and password. It includes the query: put secrets into headers.

### Metrics

Each has the label ` + "`stream`" + `: the URL without user name, password and query.

- ` + "`sse_open`" + `: 1 while the stream has a connection, otherwise 0
- ` + "`sse_disconnects`" + `: connections that ended, and attempts that failed
- ` + "`sse_failures`" + `: streams that ended with an error
- ` + "`sse_position_errors`" + `: writes of a position that failed. They are repeated, with growing waits, until they succeed.
- ` + "`sse_dropped`" + `: messages that were rejected, and not replayed since ` + "`auto_replay_nacks`" + ` is false
`

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Categories("Network").
		Summary("Reads server-sent events (`text/event-stream`) and resumes where it stopped.").
		Description(description).
		Fields(
			service.NewURLField(fieldURL).
				Description("The URL of the stream. Set either `url` or `urls`.").
				Example("https://example.com/events").
				Default(""),
			service.NewURLListField(fieldURLs).
				Description("The URLs of several streams, which are read at the same time. Each has its own position. All other fields apply to each of them.").
				Example([]string{"https://example.com/events?topic=orders", "https://example.com/events?topic=prices"}).
				Default([]any{}),
			service.NewStringField(fieldMethod).
				Description("The method of the request.").
				Example("POST").
				Default("GET"),
			service.NewInterpolatedStringMapField(fieldHeaders).
				Description("Headers of the request. They are evaluated for each connection, so a token may come from a file that changes. They are not sent to another host that the server redirects to.").
				Example(map[string]any{"Authorization": `Bearer ${! file(path: "/run/secrets/token", no_cache: true).string().trim() }`}).
				Default(map[string]any{}),
			service.NewStringField(fieldBody).
				Description("The body of the request.").
				Example(`{"stream":true,"prompt":"Hello"}`).
				Default(""),
			service.NewStringField(fieldLastEventID).
				Description("The ID after which to start, if no position is stored. If it is empty, the server decides where to start.").
				Default("").
				Advanced(),
			service.NewStringListField(fieldTypes).
				Description("The types of events to deliver; empty means all. Other events are skipped, but they move the position. Events to which the server gave no type are of type `message`.").
				Example([]string{"order", "message"}).
				Default([]any{}),
			service.NewObjectField(fieldPosition,
				service.NewStringField(fieldCache).
					Description("The cache resource that stores the positions; empty means that they are not stored. A cache that forgets keys, by a TTL or a restart, forgets positions.").
					Default(""),
				service.NewStringField(fieldKey).
					Description("The key of the position, with `url` only. If it is empty, the key of each stream is `sse-` and the first 16 hexadecimal digits of the SHA-256 hash of its URL, and a changed URL is a new stream. The cache has two entries for each key, which end in `.0` and `.1`: they are written in turn, so that a write that a crash cuts short loses nothing.").
					Example("orders").
					Default(""),
			).Description("Where the positions of the streams are stored."),
			service.NewIntField(fieldLimit).
				Description("How many events of each stream may be unacknowledged, or acknowledged but not yet part of the stored position. No more events are read until there are fewer. It bounds the memory of the input, together with `max_event_size`, and how many events are repeated after a crash. An output that makes batches stalls if this is less than the size of a batch and the batch has no period.").
				Default(1024).
				LintRule(`root = if this < 1 { "it must be at least 1" }`),
			service.NewDurationField(fieldIdleTimeout).
				Description("How long the server may be silent, comments included, before the connection is dropped and opened again. Zero means no limit: only TCP can then detect a server that has vanished, after minutes. A server that sends a comment every 15 seconds is well served by `45s`.").
				Example("45s").
				Default("0s"),
			service.NewDurationField(fieldHeaderTimeout).
				Description("How long to wait for the header of a response, redirects and the request of an OAuth 2 token included. Zero means no limit, for servers that send the header only with the first event.").
				Default("30s").
				Advanced(),
			service.NewIntField(fieldMaxEventSize).
				Description("The size in bytes that an event may have. A larger one ends the connection with an error.").
				Default(1<<20).
				Advanced().
				LintRule(`root = if this < 1 { "it must be at least 1" }`),
			reconnectField(),
			service.NewAutoRetryNacksToggleField(),
			service.NewURLField(fieldProxyURL).
				Description("The URL of an HTTP proxy. If it is not set, the environment decides: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`.").
				Optional().
				Advanced(),
			service.NewTLSToggledField(fieldTLS),
			oauth2Field(),
		).
		Fields(service.NewHTTPRequestAuthSignerFields()...).
		LintRule(`root = match {
  this.url.or("") != "" && this.urls.or([]).length() > 0 => [ "set either url or urls, not both" ],
  this.url.or("") == "" && this.urls.or([]).length() == 0 => [ "set url or urls" ],
  this.urls.or([]).length() > 0 && this.position.key.or("") != "" => [ "position.key is for url only: the streams of urls have a key each" ],
  this.position.key.or("") != "" && this.position.cache.or("") == "" => [ "position.key has no effect without position.cache" ],
  this.headers.or({}).keys().any(name -> name.lowercase() == "last-event-id") => [ "set last_event_id instead of the header Last-Event-ID" ],
}`).
		Example("Resume after a restart",
			"The positions are kept in files. Without `id` fields in the stream there would be nothing to store.", `
input:
  sse:
    url: https://example.com/events
    idle_timeout: 45s
    position:
      cache: positions

cache_resources:
  - label: positions
    file:
      directory: /var/lib/pipeline

output:
  file:
    path: /var/lib/pipeline/events.jsonl
    codec: lines
`).
		Example("The answer of a language model",
			"The request is sent once, since a POST may not be repeated. The pipeline ends with the answer.", `
input:
  sse:
    url: https://api.example.com/v1/responses
    method: POST
    headers:
      Authorization: Bearer ${API_KEY}
      Content-Type: application/json
    body: '{"stream":true,"input":"Hello"}'

output:
  stdout: {}
`).
		Example("Many streams to one topic",
			"Each message carries the URL of its stream.", `
input:
  sse:
    urls:
      - https://example.com/events?topic=orders
      - https://example.com/events?topic=prices
    types: [ created, changed ]
    position:
      cache: positions

pipeline:
  processors:
    - mapping: |
        root = this
        root.source = @sse_url

cache_resources:
  - label: positions
    file:
      directory: /var/lib/pipeline

output:
  stdout: {}
`)
}

func reconnectField() *service.ConfigField {
	return service.NewObjectField(fieldReconnect,
		service.NewStringAnnotatedEnumField(fieldOnEnd, map[string]string{
			onAuto:   "After a GET or HEAD the stream is opened again. The answer to another method is complete.",
			onAlways: "The stream is opened again, also by sending a POST again.",
			onNever:  "The stream has ended: for a GET whose answer is finite.",
		}).
			Description("What follows when the server closes a stream cleanly, between events. After 204 No Content a stream has always ended.").
			Default(onAuto),
		service.NewStringAnnotatedEnumField(fieldOnError, map[string]string{
			onAuto:      "`always` for a request that may be repeated: a GET, HEAD, OPTIONS or TRACE, or one with the header `Idempotency-Key`. `never` for every other.",
			onAlways:    "Every error is followed by a new connection, also those that need an operator, such as 401, 404, an invalid certificate or an event that is too large. Each attempt is logged.",
			onTransient: "Those errors that a new connection may fix: of the network, silence, 408, 425, 429, and every 5xx but 501 and 505.",
			onStandard:  "As browsers do: errors of the network, and no response that is not an event stream.",
			onNever:     "An error ends the stream.",
		}).
			Description("What follows an error: a connection that fails or is cut, a response that is not an event stream, a stream that is closed inside an event. An error that is not followed by a new connection ends the stream.").
			Default(onAuto),
		service.NewDurationField(fieldTime).
			Description("The wait before a new connection, until the server sends `retry`; within 10 ms and 1 h. Waits grow from there to 30 s while there is no progress.").
			Default("1s"),
	).Description("Which ends of a connection are followed by a new one.").Advanced()
}

func oauth2Field() *service.ConfigField {
	return service.NewObjectField(fieldOAuth2,
		service.NewBoolField(fieldEnabled).
			Description("Whether to get tokens by OAuth version 2.").
			Default(false),
		service.NewStringField(fieldClientKey).
			Description("The ID of the client.").
			Default(""),
		service.NewStringField(fieldClientSecret).
			Description("The secret of the client.").
			Default("").
			Secret(),
		service.NewURLField(fieldTokenURL).
			Description("The URL of the token endpoint.").
			Default(""),
		service.NewStringListField(fieldScopes).
			Description("The scopes to ask for.").
			Default([]any{}),
		service.NewAnyMapField(fieldEndpointParams).
			Description("More parameters of the token request: for each name a list of strings.").
			Example(map[string]any{"audience": []string{"https://example.com"}}).
			Default(map[string]any{}),
	).Description("Authenticates by OAuth version 2 with the client credentials flow. A token is used until it expires or the server answers 401.").
		Advanced().
		Optional()
}
