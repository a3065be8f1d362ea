// Package connect registers the input sse for Redpanda Connect and for every other program
// that is built on github.com/redpanda-data/benthos/v4: a pipeline with it reads server-sent
// events, and resumes after a restart where it had stopped. Import it for that effect:
//
//	import _ "github.com/lastevent/sse/connect"
//
// Each event becomes one message. Its content is the event's data; its metadata are
// sse_type, sse_id, sse_retry and sse_url. Connections that end are opened again by
// [github.com/lastevent/sse.Client], which sends the Last-Event-ID.
//
// An event counts as handled when the pipeline has acknowledged its message. The ID of the
// last event such that all before it are handled is the position of the stream. It is
// stored in a cache resource, if one is configured. A pipeline that was killed starts after the stored
// position, so each event reaches the output at least once, and at most
// checkpoint_limit events of each stream are repeated, provided that the server replays
// the events after a Last-Event-ID.
//
// The README has the reference of the configuration, and a list of limits.
package connect
