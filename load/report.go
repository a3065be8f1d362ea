package load

import "time"

// A Report is what a run measured. Its JSON form is stable; durations are nanoseconds.
type Report struct {
	Version  int       `json:"version"` // of this form: 1
	Started  time.Time `json:"started"`
	Elapsed  Duration  `json:"elapsed"`
	URLs     []string  `json:"urls"` // without userinfo and query
	Streams  Streams   `json:"streams"`
	Latency  Latencies `json:"latency"`
	Traffic  Traffic   `json:"traffic"`
	Ends     []Count   `json:"ends"` // why connections ended, the most frequent first
	Sequence Sequence  `json:"sequence"`
	Storms   []Storm   `json:"storms,omitempty"`
	Timeline []Second  `json:"timeline"`
	Client   Process   `json:"client"`            // what this process used, and whether it was the bottleneck
	Stopped  string    `json:"stopped,omitempty"` // whose limit stopped the ramp, and which
}

// Streams counts streams.
type Streams struct {
	Asked      int `json:"asked"`
	Opened     int `json:"opened"`  // at least once
	Held       int `json:"held"`    // open at the end
	Lost       int `json:"lost"`    // ended, and their client gave up
	Refused    int `json:"refused"` // never opened
	Reconnects int `json:"reconnects"`
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
	What string `json:"what"`
	N    int64  `json:"n"`
}

// Sequence is what the numbers of events show, over reconnections, on all streams.
type Sequence struct {
	Numbered   int64    `json:"numbered"` // events that had a number
	Missing    int64    `json:"missing"`
	Repeated   int64    `json:"repeated"`
	OutOfOrder int64    `json:"outOfOrder"`
	Stalled    int      `json:"stalled"`  // streams that were open and stayed behind the others
	Streams    int      `json:"streams"`  // that have any of these
	Examples   []string `json:"examples"` // at most ten
}

// A Storm is what followed when many connections ended at about the same time.
type Storm struct {
	At       Duration `json:"at"`    // since the start
	Cause    string   `json:"cause"` // killed by Run, or the server
	Dropped  int      `json:"dropped"`
	Back     int      `json:"back"`
	Back50   Duration `json:"back50"` // until this part of them was open again; 0 if it never was
	Back99   Duration `json:"back99"`
	Back100  Duration `json:"back100"`
	Attempts int64    `json:"attempts"`
	Busiest  int64    `json:"busiest"`  // attempts in the busiest 100 ms
	Per100ms []int64  `json:"per100ms"` // attempts
	// BackPer100ms counts the streams that were open again, each once, in the same intervals.
	BackPer100ms []int64 `json:"backPer100ms"`
}

// A Second is one second of the run.
type Second struct {
	At       Duration `json:"at"`
	Due      int      `json:"due"` // streams that should have been opened by then
	Open     int      `json:"open"`
	Events   int64    `json:"events"`
	Bytes    int64    `json:"bytes"`
	Attempts int64    `json:"attempts"`
	Drops    int64    `json:"drops"`
	SkewP50  Duration `json:"skewP50"`
	SkewP99  Duration `json:"skewP99"`
	EventP50 Duration `json:"eventP50"`
	EventP99 Duration `json:"eventP99"`
}

// Process is what the measuring process used.
type Process struct {
	CPU            Duration     `json:"cpu"`
	Processors     int          `json:"processors"`
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
