package main

import (
	"runtime"
	"runtime/debug"
)

const help = `sseload opens many event streams, holds them, and measures the server by them.

  sseload [flags] URL ...      stream i opens the URLs in turn
  sseload compare A.json B.json
  sseload -demo                a run against a server of its own, which restarts
  sseload -version

Load
  -n 1000                how many streams            -open-in 30s (or refused)
  -ramp 10s              open them over this time (1 ms for each if not set)
  -for 1m                hold them so long after the ramp (else until ^C)
  -source IP,IP          connect from these; each has ports of its own
  -kill 30%@60s          cut a part of the streams, so long after the start
  -expect-restart        the server will restart: measure how streams return
  -slow 10%@1KB/s        a part of the streams reads slowly
Request: in URL, -H, -d {{.Stream}} is a stream's number, {{.Token}} its token
  -H 'Name: value'       a header; -H @file: a file of them          -X method
  -d data                makes it a POST; -d @file, -d @-
  -token-file file       a token a line, which the streams take in turn
  -cacert file           -cert file     -key file     -k (trust any certificate)
  -http2                 HTTP/2, over few connections
  -backoff browser       reconnect as Chromium does; sse (ours), or none
  -idle 1m               reconnect when the server is silent for so long
Events
  -time '{{.ts}}'        when it was sent: a template over its JSON
  -seq '{{.n}}'          its number (its ID if not set)
  -says '{{.text}}'      it says something if this is not blank (first content)
  -topic '{{.Token}}'    streams of one topic get the same events (of one URL)
  -stall 10s             a stream so far behind the others has stalled
  -publish URL           POST events there, and measure their way; with it:
                         -publish-every 1s   -publish-H header
                         -publish-d '{"text":"{{.Text}}"}'   {{.Event}}: number
Output
  -json file, -hdr file, -html file     the report, its histograms, and a page;
                         -json - prints JSON in place of the table
  -assert 'p99(skew) < 200ms'           may be repeated; also missing == 0,
                         lost <= 1%, back99(storm) < 5s, bytesPerStream < 14KiB
  -q                     print only what fails

  sseload -n 5000 -ramp 10s -for 1m -html load.html https://example.com/feed

Exit codes: 0 ok, 1 an assertion failed, 2 wrong usage, 3 no stream was opened
or a report not written, 129, 130 or 143 a signal came before -for was over.
`

// version returns the version of the module and of Go.
func version() string {
	v := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return "sseload " + v + " " + runtime.Version() + "\n"
}
