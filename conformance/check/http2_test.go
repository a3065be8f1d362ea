package check

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/lastevent/sse/conformance/internal/wire"
)

// TestConnectionHeader: no server that is at hand sends what HTTP/2 forbids, so that its
// frames are written here.
func TestConnectionHeader(t *testing.T) {
	test(t, []row{
		{name: "none", args: []string{"-k", "-skip", "no-resume"}, url: frames()},
		{name: "Connection", want: "problem connection-header", args: []string{"-k", "-skip", "no-resume"},
			url: frames(hpack.HeaderField{Name: "connection", Value: "keep-alive"})},
	})
}

// frames serves a stream over HTTP/2 with more header fields.
func frames(fields ...hpack.HeaderField) func(*testing.T) string {
	return func(t *testing.T) string {
		ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{wire.Certificate()}, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				go speak(conn, fields)
			}
		}()
		return "https://" + ln.Addr().String()
	}
}

// speak answers each stream of a connection with a feed.
func speak(conn net.Conn, fields []hpack.HeaderField) {
	defer conn.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != http2.ClientPreface {
		return // HTTP/1.1 is offered, and not spoken
	}
	framer := http2.NewFramer(conn, conn)
	_ = framer.WriteSettings()
	var stream uint32
	for stream == 0 {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			stream = f.StreamID
		}
	}
	go io.Copy(io.Discard, conn)
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range append([]hpack.HeaderField{
		{Name: ":status", Value: "200"}, {Name: "content-type", Value: "text/event-stream"}, {Name: "cache-control", Value: "no-store"},
	}, fields...) {
		_ = enc.WriteField(f)
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
	for n := 1; ; n++ {
		if err := framer.WriteData(stream, false, []byte(numbered(n))); err != nil {
			return
		}
		time.Sleep(400 * time.Millisecond)
	}
}
