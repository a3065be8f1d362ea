package main

import (
	"runtime"
	"runtime/debug"
)

const help = `sse prints the events of a stream as they come, and resumes it after drops.

  sse [flags] URL ...    each line of several URLs begins with the URL's name,
                         or with yours: name=URL. Without a scheme it is http.
  sse check URL          says why a stream does not stream: see sse check -h
  sse record URL         keeps a stream and its timing in a file: sse record -h
  sse replay FILE        is a server that plays such a file: see sse replay -h
  sse completion SHELL   prints a script that completes flags: bash, zsh or fish
  sse -demo              shows a stream survive a bad server, in five seconds
  sse -version

Request
  -H 'Name: value'       a header; -H @file: a file of them, @-: standard input
  -u name:password       or -user; without a password it is $SSE_PASSWORD
  -d data                makes it a POST; -d @file, -d @-; repeated, joined by &
  -X method              -http2 (only HTTP/2)     -unix path (to this socket)
  -cacert file           -cert file     -key file     -k (trust any certificate)
Stream
  -id ID                 resume after it
  -state file            keep positions across runs
  -n 10                  end after 10 events, of all URLs together
  -until data            end a URL's stream at this event; may be repeated
  -type name             show only events of this type; may be repeated
  -once                  never reconnect
  -retry-forever         reconnect whatever came, and repeat a POST
  -idle 1m               reconnect when the server is silent for so long
  -max-time 1h           end after this time
  -max-event bytes       fail at a larger event than this (32 MiB if not set)
Output
  -data                  only the data       -raw     the bytes as they come
  -json                  an object a line    -parse   with it: the data as JSON
  -format '{{.Type}}\t{{.Data}}'   also .ID .Time .Name, json, (parse .Data).x
  -v                     show headers, refusals, comments, drops; hide secrets
  -stats                 show live figures of each URL

  sse -data -n 1 https://stream.wikimedia.org/v2/stream/recentchange
  sse -state feed.state -json https://example.com/feed >> feed.log

Exit codes: 0 ended, 1 refused or broken, 2 wrong usage, 28 -max-time is over,
129 hung up, 130 interrupted, 143 terminated.
`

// version returns the version of the module and of Go.
func version() string {
	v := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return "sse " + v + " " + runtime.Version() + "\n"
}
