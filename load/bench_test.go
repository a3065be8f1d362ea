package load_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/lastevent/sse/load"
)

// BenchmarkEvents: what one event of one stream costs this package, of 100 streams that a server floods.
func BenchmarkEvents(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	perStream := max(1, b.N/100)
	var text bytes.Buffer
	for n := range perStream {
		fmt.Fprintf(&text, "id: %d\ndata: {\"n\":%d,\"text\":\"some text of a usual length\"}\n\n", n+1, n+1)
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				conn.Read(make([]byte, 4<<10))
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
				conn.Write(text.Bytes())
			}()
		}
	}()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ResetTimer()
	events := int64(0)
	r, err := load.Run(ctx, load.Config{URLs: []string{"http://" + ln.Addr().String()}, Streams: 100, Progress: func(s load.Snapshot) {
		if events += s.Events; events >= int64(100*perStream) {
			cancel()
		}
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(r.Client.CPU.Nanoseconds())/float64(r.Traffic.Events), "cpu-ns/event")
}
