package load

import "time"

// A Report is what a run measured. Its JSON form is stable; durations are nanoseconds.
type Report struct {
	Version  int         `json:"version"` // of this form: 1
	Started  time.Time   `json:"started"`
	Elapsed  Duration    `json:"elapsed"`
	URLs     []string    `json:"urls"` // without userinfo and query
	Streams  Streams     `json:"streams"`
	Latency  Latencies   `json:"latency"`
	Traffic  Traffic     `json:"traffic"`
	Ends     []Count     `json:"ends"`     // why connections ended, the most frequent first
	Failures []Count     `json:"failures"` // why attempts opened no stream, likewise
	Sequence Sequence    `json:"sequence"`
	Publish  *Publishing `json:"publish,omitempty"` // nil without Config.Publish
	Storms   []Storm     `json:"storms,omitempty"`  // the first hundred
	Step     Duration    `json:"step"`              // of the timeline: 1 s, and twice as long each time that it would have more than 3600
	Timeline []Second    `json:"timeline"`
	Client   Process     `json:"client"`            // what this process used, and whether it was the bottleneck
	Stopped  string      `json:"stopped,omitempty"` // whose limit stopped the ramp, and which
}

// Streams counts streams.
type Streams struct {
	Asked      int `json:"asked"`
	Opened     int `json:"opened"`         // at least once; each of these is one of the next four
	Held       int `json:"held"`           // open at the end
	Away       int `json:"away"`           // between two connections at the end
	Done       int `json:"done"`           // over without an error: 204 No Content, or the end of a POST's answer
	Lost       int `json:"lost"`           // ended, and their client gave up
	Refused    int `json:"refused"`        // never opened
	Drops      int `json:"drops"`          // connections that ended during the run, but for those that Kill cut, and those that ended a stream that is done
	Killed     int `json:"killed"`         // connections that Kill cut
	Reconnects int `json:"reconnects"`     // connections that were opened again
	Slow       int `json:"slow,omitempty"` // streams that were made to read slowly
}

// Latencies are distributions of times.
type Latencies struct {
	Connect    Distribution `json:"connect"`    // dial and TLS
	Header     Distribution `json:"header"`     // from when the stream was due to the response's header
	FirstEvent Distribution `json:"firstEvent"` // … to the first event
	FirstSays  Distribution `json:"firstSays"`  // … to the first event that says something
	Event      Distribution `json:"event"`      // from when an event was sent to when it was read (Time, Publish)
	Skew       Distribution `json:"skew"`       // of each event: from the first stream that read it to the last one
	Late       Distribution `json:"late"`       // of each event and stream: how long after the first stream
	Reconnect  Distribution `json:"reconnect"`  // from the end of a connection to the next header
}

// A Distribution is a histogram's summary, and the histogram.
type Distribution struct {
	Count int64    `json:"count"`
	Min   Duration `json:"min"`
	Mean  Duration `json:"mean"`
	P50   Duration `json:"p50"`
	P90   Duration `json:"p90"`
	P99   Duration `json:"p99"`
	P999  Duration `json:"p999"`
	Max   Duration `json:"max"`
	HDR   string   `json:"hdr,omitempty"` // compressed and base64, as HdrHistogram logs have it
}

// Duration prints in a unit that suits its size.
type Duration = time.Duration

// Traffic counts what arrived.
type Traffic struct {
	Events          int64   `json:"events"`
	Bytes           int64   `json:"bytes"`           // of bodies
	EventsPerSecond float64 `json:"eventsPerSecond"` // while the streams were held
	BytesPerSecond  float64 `json:"bytesPerSecond"`
}

// A Count is how often something happened.
type Count struct {
	What    string `json:"what"` // one of a fixed set of texts, with a status where there is one
	N       int64  `json:"n"`
	Example string `json:"example,omitempty"` // the text of one of them, cut to 200 bytes, without URLs' secrets and control characters
}

// Publishing is what Config.Publish sent.
type Publishing struct {
	Sent     int64        `json:"sent"` // and accepted
	Failed   int64        `json:"failed"`
	Failures []Count      `json:"failures"` // why
	Took     Distribution `json:"took"`     // from when an event was due to the server's answer
}

// Sequence is what the numbers of events show, over reconnections, on all streams.
type Sequence struct {
	Numbered   int64    `json:"numbered"`       // events that had a number
	Missing    int64    `json:"missing"`        // numbers that a stream left out, and read a later one
	Repeated   int64    `json:"repeated"`       // events whose number the stream had read
	OutOfOrder int64    `json:"outOfOrder"`     // events that came after one with a greater number, for the first time
	Stalled    int      `json:"stalled"`        // streams that were open and stayed behind the others
	Streams    int      `json:"streams"`        // that have any of these
	Examples   []string `json:"examples"`       // at most ten
	Note       string   `json:"note,omitempty"` // why these figures may not be what they seem
}

// A Storm is what followed when many connections ended at about the same time.
type Storm struct {
	At       Duration `json:"at"`    // of the first drop, since the start
	Cause    string   `json:"cause"` // "kill" or "server"
	Dropped  int      `json:"dropped"`
	Back     int      `json:"back"`
	Back50   Duration `json:"back50"` // from At until this part of them was open again; 0 if it never was
	Back99   Duration `json:"back99"`
	Back100  Duration `json:"back100"`
	Attempts int64    `json:"attempts"`
	Busiest  int64    `json:"busiest"`  // attempts in the busiest 100 ms
	Per100ms []int64  `json:"per100ms"` // attempts, from the 100 ms in which At is; for five minutes at most
	// BackPer100ms counts the streams that were open again, each once, in the same intervals.
	BackPer100ms []int64 `json:"backPer100ms"`
}

// A Second is one step of the timeline: a second, or Report.Step. Where steps were joined, Due and Open are the last
// one's, the counts are sums, and the latencies are the largest.
type Second struct {
	At       Duration `json:"at"`
	Due      int      `json:"due"` // streams that should have been opened by then
	Open     int      `json:"open"`
	Events   int64    `json:"events"`
	Bytes    int64    `json:"bytes"`
	Attempts int64    `json:"attempts"`
	Drops    int64    `json:"drops"`
	SkewP50  Duration `json:"skewP50"` // of the events that were first read in it
	SkewP99  Duration `json:"skewP99"`
	EventP50 Duration `json:"eventP50"`
	EventP99 Duration `json:"eventP99"`
}

// Process is what the measuring process used.
type Process struct {
	CPU            Duration     `json:"cpu"`                  // user and system time
	Processors     int          `json:"processors"`           // that it may use
	Files          uint64       `json:"files"`                // that it may open; 0: unknown
	BytesPerStream int64        `json:"bytesPerStream"`       // resident memory, by the kernel; 0 where it is not known
	SchedulerLag   Distribution `json:"schedulerLag"`         // how late a timer of this process fired
	Bottleneck     string       `json:"bottleneck,omitempty"` // why these figures may be this process's own
}

// A Snapshot is the state of a run.
type Snapshot struct {
	Second
	Elapsed Duration
	Asked   int
	Opened  int
	Lost    int
	Done    bool
}
