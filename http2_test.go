package sse_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
)

// frame returns an HTTP/2 frame (RFC 9113, section 4.1).
func frame(typ, flags, stream byte, payload string) string {
	return string([]byte{0, 0, byte(len(payload)), typ, flags, 0, 0, 0, stream}) + payload
}

const (
	frameData, frameHeaders, frameRST, frameSettings, frameGoAway = 0, 1, 3, 4, 7
	endStream, endHeaders                                         = 1, 4

	status200   = "\x88"                           // HPACK's static table
	status204   = "\x89"                           //
	eventStream = "\x5f\x11" + "text/event-stream" // Content-Type, with its name from the table
)

// TestHTTP2Ends breaks the stream with HTTP/2's own means, frame by frame: each is a
// network error, which a new connection cures.
func TestHTTP2Ends(t *testing.T) {
	open := frame(frameSettings, 0, 0, "") + frame(frameHeaders, endHeaders, 1, status200+eventStream) +
		frame(frameData, 0, 1, "id:1\ndata:1\n\nid:2\ndata:2")
	for name, end := range map[string]string{
		"GOAWAY":                        frame(frameGoAway, 0, 0, "\x00\x00\x00\x01"+"\x00\x00\x00\x02"),
		"GOAWAY, without an error":      frame(frameGoAway, 0, 0, "\x00\x00\x00\x01"+"\x00\x00\x00\x00"),
		"GOAWAY before the stream's ID": frame(frameGoAway, 0, 0, "\x00\x00\x00\x00"+"\x00\x00\x00\x02"),
		"RST_STREAM":                    frame(frameRST, 0, 1, "\x00\x00\x00\x02"),
		"RST_STREAM, without an error":  frame(frameRST, 0, 1, "\x00\x00\x00\x00"),
		"RST_STREAM, CANCEL":            frame(frameRST, 0, 1, "\x00\x00\x00\x08"),
		"a frame that nobody expects":   frame(frameHeaders, endHeaders, 0, status200),
		"a close without a word":        "",
	} {
		in(t, name, func(t *testing.T) {
			l := memnet.Listen()
			go func() {
				for n := 0; ; n++ {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go serveFrames(conn, n, open, end)
				}
			}()
			defer l.Close()
			protocols := new(http.Protocols)
			protocols.SetUnencryptedHTTP2(true)
			transport := &http.Transport{DialContext: l.DialContext, Protocols: protocols}
			defer transport.CloseIdleConnections()
			tr := record()
			c := sse.Client{HTTPClient: &http.Client{Transport: transport}, Trace: tr.trace()}

			got, err := all(t, c.Get(t.Context(), "http://memnet/"))
			require.NoError(t, err)
			require.Equal(t, "1", data(got))
			require.Len(t, tr.infos, 2)
			require.Error(t, tr.infos[0].Err)
			require.True(t, tr.infos[0].Reconnect)
			require.Equal(t, "1", tr.infos[0].LastEventID)
			require.False(t, tr.infos[1].Request.Close, "only silence makes a connection suspect")
		})
	}
}

// TestHTTP2DeadConnection: nothing comes any more on a connection that streams share, and
// nothing says so. New streams would go on using it, for as long as TCP lets them.
func TestHTTP2DeadConnection(t *testing.T) {
	const idle, waits = time.Minute, 10 * time.Second
	for name, recovers := range map[string][]time.Duration{
		// At the first event, each half a minute after the one before it, they fall silent.
		"one stream": {30*time.Second + idle + waits},
		// The connection is never without one of these, and the first one tries it twice.
		"two streams": {30*time.Second + 2*idle + waits, time.Minute + idle + waits},
	} {
		in(t, name, func(t *testing.T) {
			l := memnet.Listen()
			defer l.Close()
			go func() {
				dead, err := l.Accept()
				if err != nil {
					return
				}
				defer dead.Close()
				go io.Copy(io.Discard, dead)
				_, _ = io.WriteString(dead, frame(frameSettings, 0, 0, ""))
				for n := range recovers {
					time.Sleep(30 * time.Second)
					stream := byte(2*n + 1)
					_, _ = io.WriteString(dead, frame(frameHeaders, endHeaders, stream, status200+eventStream)+
						frame(frameData, 0, stream, "data:1\n\n"))
				}
				for n := 1; ; n++ {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go serveFrames(conn, n, "", "")
				}
			}()
			protocols := new(http.Protocols)
			protocols.SetUnencryptedHTTP2(true)
			transport := &http.Transport{DialContext: l.DialContext, Protocols: protocols}
			defer transport.CloseIdleConnections()
			c := sse.Client{HTTPClient: &http.Client{Transport: transport}, IdleTimeout: idle}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()

			var wg sync.WaitGroup
			start := time.Now()
			for _, recovers := range recovers {
				wg.Go(func() {
					got, err := all(t, c.Get(ctx, "http://memnet/"))
					assert.NoError(t, err)
					assert.Equal(t, "1", data(got))
					assert.Less(t, time.Since(start), recovers)
				})
				time.Sleep(time.Second) // the requests come in order
			}
			wg.Wait()
		})
	}
}

// serveFrames answers the first connection's request with open and end, and each one
// behind it with 204.
func serveFrames(conn net.Conn, n int, open, end string) {
	defer conn.Close()
	answer := open + end
	if n > 0 {
		answer = frame(frameSettings, 0, 0, "") + frame(frameHeaders, endHeaders|endStream, 1, status204)
	}
	// The client's preface, settings and request are there when nothing more comes.
	request := make([]byte, 4096)
	if _, err := conn.Read(request); err != nil {
		return
	}
	synctest.Wait()
	if _, err := io.WriteString(conn, answer); err != nil {
		return
	}
	synctest.Wait()
	if n > 0 {
		_, _ = io.Copy(io.Discard, conn) // until the client has done
	}
}
