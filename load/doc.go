// Package load opens many event streams on a server, holds them, and measures what the server does:
//
//	report, err := load.Run(ctx, load.Config{
//		URLs:     []string{"https://example.com/events"},
//		Streams:  10_000,
//		Ramp:     time.Minute,     // opens one every 6 ms
//		Duration: 5 * time.Minute, // and holds them all for so long
//	})
//	if err != nil {
//		return err
//	}
//	fmt.Println(report.Streams.Held, report.Sequence.Missing, report.Latency.Skew.P99)
//
// The report shows how fast the server opens streams, how promptly each event reaches all of
// them, which events a stream missed, read twice or read in the wrong order, and how many streams
// were lost, and why. docs/load.md of the repository explains each figure, how it is measured, and
// what it cannot show.
//
// # Numbers
//
// If the server numbers its events, and its IDs are these numbers, then what is missing, repeated and out of order
// is known without further settings. Else set [Config.Sequence], or [Config.Publish], which numbers the events that it
// publishes. Latency needs [Config.Time] or Publish.
//
// # Restarts
//
// What follows a restart is often worse than the load before it: all clients come at once. With [Config.Kill],
// Run cuts connections itself; with [Config.ExpectRestart], it waits for you to restart the server. A [Storm] in the report
// shows how long it took until the streams were open again, and how many attempts the server had to take in the busiest 100 ms. The
// clients wait as package sse does between attempts, or as a browser does, with Client: load.Browser().
//
// # Many streams
//
// An idle stream takes 12 to 13 KiB of this process, and one goroutine: see package lean, which is the
// default transport. Two limits of the machine come before memory does: the open files of a process, and the ports
// of an address, of which each connection to one address of the server needs one. [Preflight] reports both. Config.Sources, and
// several addresses of the server in Config.URLs, add ports.
//
// A report names the side that was the limit. Report.Stopped says why streams were not opened, and whether that was
// a limit of the server or of this machine. Process.Bottleneck is set if this process was too slow for its figures to be the server's.
package load
