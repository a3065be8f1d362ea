package sse_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
	"github.com/lastevent/sse/internal/memnet"
)

// FuzzClient: a server that does what a random script says. Whatever that is, the stream
// ends, with at most one error, which is the last thing; each request resumes after
// an event whose loop body has returned, and nothing is left behind.
func FuzzClient(f *testing.F) {
	f.Add(uint8(0), "\x00data: 1\n\n\x01\x02\x03\x04\x05")
	f.Add(uint8(1), "\x02\x06\x02\x07\x02\x08\x03\x09")
	f.Add(uint8(2), "\x02\x02\x0a\x02\x0b\x02\x0c\x04\x0d\x02")
	f.Add(uint8(7), "\x0eHTTP/1.1 200 OK\r\n\r\n\x07\x02\x05\x02")
	f.Fuzz(func(t *testing.T, settings uint8, script string) {
		script = script[:min(len(script), 300)] // a longer one shows nothing more, slowly
		bubble(t, func(t *testing.T) {
			s := &scripted{Listener: memnet.Listen(), script: script, ids: map[string]bool{"": true}}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					conn, err := s.Accept()
					if err != nil {
						return
					}
					s.serve(t, conn)
				}
			}()
			transport := &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}
			connects, disconnects := 0, 0
			c := sse.Client{
				HTTPClient:   &http.Client{Transport: transport},
				Reconnect:    []func(error) bool{nil, sse.Transient, sse.Standard, func(error) bool { return true }}[settings%4],
				IdleTimeout:  time.Minute,
				MaxEventSize: 1 << (settings / 4 % 16),
				Trace: &sse.Trace{
					Connect:    func(*http.Request) { connects++ },
					Disconnect: func(sse.DisconnectInfo) { disconnects++ },
				},
			}
			ctx, cancel := context.WithTimeout(t.Context(), 1000*time.Hour)
			defer cancel()
			ended := false
			for ev, err := range c.Get(ctx, "http://memnet/") {
				require.False(t, ended, "after an error")
				if err != nil {
					ended = true
					require.Zero(t, ev)
					require.NotErrorIs(t, err, context.DeadlineExceeded)
					continue
				}
				require.NotEmpty(t, ev.Type)
				s.handle(ev.LastEventID)
			}
			require.Equal(t, connects, disconnects)
			transport.CloseIdleConnections()
			s.Close()
			<-done
			synctest.Wait() // and the end of the bubble waits for all goroutines
		})
	})
}

// scripted is a server that reads what it does from a script, an order a byte.
type scripted struct {
	*memnet.Listener
	script string
	n      int // events sent

	ids map[string]bool // that a request may bring: of handled events, or of blocks without data
}

func (s *scripted) handle(id string) { s.ids[id] = true }

// next takes n bytes of the script.
func (s *scripted) next(n int) string {
	n = min(n, len(s.script))
	b := s.script[:n]
	s.script = s.script[n:]
	return b
}

// serve serves one connection: a request, and what the script has for it.
func (s *scripted) serve(t *testing.T, conn net.Conn) {
	defer conn.Close()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	id := r.Header.Get("Last-Event-ID")
	require.True(t, s.ids[id] || strings.HasPrefix(id, "block"), "resumes after %q, which is not handled", id)
	opened := false
	write := func(text string) {
		if !opened {
			opened = true
			text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + text
		}
		_, _ = io.WriteString(conn, text)
	}
	status := func(line string) { _, _ = io.WriteString(conn, "HTTP/1.1 "+line+"\r\nContent-Length: 0\r\n\r\n") }
	for s.script != "" {
		s.n++
		switch order := s.next(1)[0]; order % 16 {
		case 0: // anything, but for IDs, of which we would not know
			write(strings.ReplaceAll(s.next(int(order)), "i", "j"))
		case 1:
			write("")
		case 2:
			write(fmt.Sprintf("id: %d\ndata: x\n\n", s.n))
		case 3:
			write("data: without an ID\n\n")
		case 4:
			write(fmt.Sprintf("id: block%d\n\n", s.n))
		case 5:
			write("id\ndata: reset\n\n")
		case 6:
			write(fmt.Sprintf("retry: %d\n", int(order)*100))
		case 7:
			return
		case 8:
			conn.(*memnet.Conn).Reset()
			return
		case 9:
			status("503 Service Unavailable\r\nRetry-After: " + s.next(3))
			return
		case 10:
			status("404 Not Found")
			return
		case 11:
			status("302 Found\r\nLocation: /" + strings.Map(letters, s.next(4)))
			return
		case 12:
			time.Sleep(time.Duration(order) * time.Second)
		case 13:
			write(fmt.Sprintf("id: %d\ndata: half", s.n))
		case 14: // no HTTP
			_, _ = io.WriteString(conn, strings.ReplaceAll(s.next(int(order)), "i", "j"))
			return
		case 15:
			time.Sleep(3 * time.Minute) // longer than IdleTimeout
		}
	}
	if !opened {
		status("204 No Content")
	}
}

func letters(r rune) rune { return 'a' + r%26 }

var decimal = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// FuzzRetryAfter: whatever a server asks for is within limits, and seconds are taken as
// they are, with a fraction or without.
func FuzzRetryAfter(f *testing.F) {
	for _, v := range []string{"", "0", "120", "3601", "99999999999999999999", "-1", "+1", "1.5", "1.", ".5", "3600.5", " 7", "Fri, 01 Jan 2100 00:00:00 GMT", "Fri, 01 Jan 1999 00:00:00 GMT"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		d, ok := sse.RetryAfter(http.Header{"Retry-After": {v}})
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.LessOrEqual(t, d, time.Hour)
		number := decimal.MatchString(v)
		_, err := http.ParseTime(v)
		require.Equal(t, number || err == nil, ok)
		if number {
			n, _ := new(big.Rat).SetString(v)
			n.Mul(n, big.NewRat(int64(time.Second), 1))
			want := time.Hour
			if n.Cmp(big.NewRat(int64(time.Hour), 1)) < 0 {
				want = time.Duration(new(big.Int).Quo(n.Num(), n.Denom()).Int64())
			}
			require.Equal(t, want, d)
		}
	})
}

// FuzzParser: a stream read whole, cut at random and byte by byte, and the reference
// agree. With a small limit they agree on what is too large.
func FuzzParser(f *testing.F) {
	for i, c := range specCases(f) {
		f.Add(c.stream(), uint64(i), uint16(0))
		f.Add(c.stream(), uint64(i), uint16(i%40))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, limit uint16) {
		want := byTheStandard(stream)
		rng := rand.New(rand.NewPCG(seed, 0))
		whole := parse(t, new(sse.Parser), bytes.NewReader(stream))
		require.Equal(t, want, whole, "whole")
		require.Equal(t, want, parse(t, new(sse.Parser), atRandom(stream, rng, rng.IntN(20))), "cut at random")
		require.Equal(t, want, parse(t, new(sse.Parser), iotest.OneByteReader(bytes.NewReader(stream))), "byte by byte")

		limited := func() *sse.Parser { return &sse.Parser{MaxEventSize: int(limit)} }
		whole = parse(t, limited(), bytes.NewReader(stream))
		require.Equal(t, whole, parse(t, limited(), atRandom(stream, rng, rng.IntN(20))), "limited, cut at random")
		require.Equal(t, whole, parse(t, limited(), iotest.OneByteReader(bytes.NewReader(stream))), "limited, byte by byte")
		if whole.Err != sse.ErrEventTooLarge {
			require.Equal(t, want, whole, "limited")
		}
	})
}

// FuzzRoundTrip: what AppendText writes, the parser reads; what a stream gives,
// AppendText can write.
func FuzzRoundTrip(f *testing.F) {
	f.Add("", "", "")
	f.Add("message", "a\nb\n", "1")
	f.Add(" :é", "\ufeff", "[{\"offset\":-1}]")
	f.Add("a\rb", "\xff", "\x00")
	f.Fuzz(func(t *testing.T, typ, data, id string) {
		ev := sse.Event{Type: typ, Data: data, LastEventID: id}
		if _, err := ev.AppendText(nil); err == nil {
			requireRoundTrip(t, ev)
		}
		for ev, err := range sse.Read(bytes.NewReader([]byte(data))) {
			if err == nil {
				requireRoundTrip(t, ev)
			}
		}
	})
}
