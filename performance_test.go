package sse_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// A tap is a connection that takes down what arrived, and when.
type tap struct {
	net.Conn
	mu    sync.Mutex
	raw   []byte
	reads []tappedRead
}

type tappedRead struct {
	end int // in raw
	at  time.Time
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, b[:n]...)
	c.reads = append(c.reads, tappedRead{len(c.raw), time.Now()})
	return n, err
}

// arrived returns when the byte at pos arrived.
func (c *tap) arrived(pos int) time.Time {
	i, _ := slices.BinarySearchFunc(c.reads, pos+1, func(r tappedRead, end int) int { return r.end - end })
	return c.reads[i].at
}

// body returns when the bytes of the chunked body arrived whose positions, in their order,
// are given.
func (c *tap) body(t *testing.T, positions []int) (at []time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, after, _ := bytes.Cut(c.raw, []byte("\r\n\r\n"))
	pos, chunk := len(c.raw)-len(after), 0 // where a chunk begins: in raw, and in the body
	for len(at) < len(positions) {
		line, _, _ := bytes.Cut(c.raw[pos:], []byte("\r\n"))
		size, err := strconv.ParseInt(string(line), 16, 64)
		require.NoError(t, err)
		pos += len(line) + 2
		for len(at) < len(positions) && positions[len(at)] < chunk+int(size) {
			at = append(at, c.arrived(pos+positions[len(at)]-chunk))
		}
		pos, chunk = pos+int(size)+2, chunk+int(size)
	}
	return at
}

// delays reads n events of a client whose connection is tapped, and returns how long after
// its last byte each event was delivered.
func delays(t *testing.T, transport func(dialFunc) http.RoundTripper, handler http.HandlerFunc, n int) (delays []time.Duration) {
	s := serve(t, handler)
	var tapped *tap
	s.client.Transport = transport(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := s.DialContext(ctx, network, addr)
		tapped = &tap{Conn: conn}
		return tapped, err
	})
	var last []int // the last byte of each event, in the body
	var at []time.Time
	end := 0
	for ev, err := range (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/") {
		require.NoError(t, err)
		end += len("data: \n\n") + len(ev.Data)
		last, at = append(last, end-1), append(at, time.Now())
		if len(last) == n {
			break
		}
	}
	for i, arrived := range tapped.body(t, last) {
		delays = append(delays, at[i].Sub(arrived))
	}
	return delays
}

func eventOf(size int) string { return "data: " + strings.Repeat("x", size-len("data: \n\n")) + "\n\n" }

// TestPrompt: an event that has arrived is delivered, also inside a chunk that is not complete.
// In fake time a read that does not wait takes none. Over lean no event is ever late.
func TestPrompt(t *testing.T) {
	oneChunk := func(size int, every time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			_, err = fmt.Fprintf(conn, "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n", rawHeader, 64<<20)
			for err == nil {
				_, err = io.WriteString(conn, eventOf(size))
				time.Sleep(every)
			}
		}
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		n       int           // events
		late    int           // of them that may be late: those at a sign
		most    time.Duration // for any
	}{
		"a handler that does not flush": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, eventOf(900))
				pause(r, 30*time.Millisecond)
			}
		}, 700, 15, 500 * time.Millisecond},
		"a chunk that fills slowly":       {oneChunk(1000, 20*time.Millisecond), 700, 15, 100 * time.Millisecond},
		"a chunk that fills an hour long": {oneChunk(100, time.Minute), 2000, 10, 10 * time.Minute},
		"a chunk that fills fast":         {oneChunk(8000, time.Millisecond), 300, 300, 3 * time.Millisecond},
		"a chunk that fills in bulk":      {oneChunk(64<<10, 3*time.Millisecond), 50, 50, 4 * time.Millisecond},
		"a handler that flushes": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				send(w, eventOf(900))
				pause(r, 30*time.Millisecond)
			}
		}, 500, 0, 0},
		"a handler that flushes large events": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				send(w, eventOf(100_000))
				pause(r, 30*time.Millisecond)
			}
		}, 30, 0, 0},
	} {
		overBoth(t, name, func(t *testing.T, transport func(dialFunc) http.RoundTripper) {
			defer time.Sleep(time.Hour) // the handler sees that its client has left
			got := delays(t, transport, test.handler, test.n)
			late := 0
			for _, d := range got {
				if d > 0 {
					late++
				}
			}
			maxLate, most := test.late, test.most
			if strings.HasSuffix(t.Name(), "lean") {
				maxLate, most = 0, 0
			}
			assert.LessOrEqual(t, late, maxLate)
			assert.LessOrEqual(t, slices.Max(got), most)
		})
	}
}

// TestReadSizes: reads are small at first, large in bulk, and of one byte after a pause.
func TestReadSizes(t *testing.T) {
	in(t, "", func(t *testing.T) {
		var sizes []int
		stream := &endless{text: "data: some data of an event\n\n", max: 10 << 20}
		pauses := 0
		c := sse.Client{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(readerFunc(func(b []byte) (int, error) {
				sizes = append(sizes, len(b))
				if len(sizes)%1000 == 0 { // a pause, and then less than was asked for
					pauses++
					time.Sleep(time.Second)
					return stream.Read(b[:1])
				}
				return stream.Read(b)
			}))}, nil
		})}}
		_, _ = all(t, c.Events(post(t, strings.NewReader(""))))
		for _, size := range sizes[:4] {
			require.LessOrEqual(t, size, 4<<10)
		}
		require.Equal(t, 32<<10, slices.Max(sizes))
		require.Less(t, len(sizes), 600+pauses*5000, "10 MiB, most of it in large reads")
		ones := 0
		for _, size := range sizes {
			if size == 1 {
				ones++
			}
		}
		require.Greater(t, ones, pauses)
	})
}

// promptBody is a body whose Read returns what has arrived.
type promptBody struct{ io.ReadCloser }

func (promptBody) PromptReads() {}

// TestPromptReads: such a body is not read byte by byte after each pause.
func TestPromptReads(t *testing.T) {
	in(t, "", func(t *testing.T) {
		reads := 0
		stream := &endless{text: "data: some data of an event\n\n", max: 1 << 20}
		c := sse.Client{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			body := promptBody{io.NopCloser(readerFunc(func(b []byte) (int, error) {
				reads++
				return stream.Read(b[:min(len(b), 100)])
			}))}
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body}, nil
		})}}
		_, _ = all(t, c.Events(post(t, strings.NewReader(""))))
		require.Less(t, reads, 12_000, "most of 100 bytes")
	})
}

// TestReadSizeRules: what each kind of read does to the size of the next one.
func TestReadSizeRules(t *testing.T) {
	const late = 2 * time.Millisecond // a read that takes longer has waited for more than was there
	var s sse.ReadSize
	read := func(asked, n int, took time.Duration) {
		t.Helper()
		require.Equal(t, asked, s.Limit())
		s.Note(asked, n, took)
	}
	ones := func() (n int) { // reads of one byte until there are larger ones
		for s.Limit() == 1 {
			s.Note(1, 1, 0)
			n++
		}
		return n
	}
	start := func() { s = sse.ReadSize{}; read(1, 1, time.Hour) }

	start() // the first byte may take any time, and reads double while they come back full
	for _, size := range []int{4, 8, 16, 32, 32} {
		read(size<<10, size<<10, 0)
	}
	read(32<<10, 32<<10-1, 0) // nothing more was there
	read(1, 0, 0)             // nor then
	read(1, 1, time.Hour)
	require.Equal(t, 32<<10, s.Limit())

	start() // they double if they are quick, full, and as large as they may be
	read(4<<10, 4<<10, late/4)
	s.Note(1000, 1000, 0) // into a buffer with less room
	read(4<<10, 1000, 0)
	read(1, 1, 0)
	read(4<<10, 4<<10, late/4-1)
	read(8<<10, 1000, late) // and this one has not waited either
	read(1, 1, 0)
	require.Equal(t, 8<<10, s.Limit())

	start() // after a wait they are as large as what arrives in the time that an event may be late
	read(4<<10, 4<<10, late+1)
	read(4<<10-1, 2<<10, 2*late)
	read(1<<10, 1<<10, 2*late)
	require.Equal(t, 512, s.Limit())
	s.Note(512, 511, late+1) // but if that is little, of one byte for a while, longer each time
	require.Equal(t, 4<<10+1, ones())
	read(256, 256, 0)
	for _, fine := range []int{64 << 10, 1 << 20, 1 << 20} {
		s.Note(s.Limit(), 1, late+1)
		require.Equal(t, fine+1, ones())
	}
	good := func(n int) { // bytes without a sign
		for n > 0 {
			k := min(n, s.Limit())
			s.Note(s.Limit(), k, 0)
			if n -= k; s.Limit() == 1 {
				s.Note(1, 1, 0)
			}
		}
	}
	good(1000) // these do not count after the next sign
	s.Note(s.Limit(), 1, late+1)
	require.Equal(t, 1<<20+1, ones())
	good(1 << 20)
	s.Note(s.Limit(), 1, late+1)
	require.Equal(t, 1<<20+1, ones())
	good(1<<20 + 1) // as many as the longest while: the next one is short again
	s.Note(s.Limit(), 1, late+1)
	require.Equal(t, 4<<10+1, ones())
}

// corpora are the shapes of stream that clients meet, about 1 MB each.
var corpora = func() map[string][]byte {
	llm := `data: {"id":"chatcmpl-9x2","object":"chat.completion.chunk","created":1795176521,"model":"m-1","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null,"n":"0123456789"}` + "\n\n"
	var feed strings.Builder
	for i := range 1000 {
		feed.WriteString("event: change\nid: " + strconv.Itoa(i) + "\ndata: " + strings.Repeat("0123456789abcdef", 60) + "\n\n")
	}
	multi := strings.Repeat("data: a line of some length\n", 8) + "\n"
	return map[string][]byte{
		"llm":       []byte(strings.Repeat(llm, 5000)),
		"llm-crlf":  []byte(strings.Repeat(strings.ReplaceAll(llm, "\n", "\r\n"), 5000)),
		"llm-cr":    []byte(strings.Repeat(strings.ReplaceAll(llm, "\n", "\r"), 5000)),
		"tiny":      []byte(strings.Repeat("data: 1\n\n", 100_000)),
		"feed":      []byte(feed.String()),
		"multiline": []byte(strings.Repeat(multi, 4000)),
	}
}()

func events(stream []byte) int {
	n := 0
	for range sse.Read(bytes.NewReader(stream)) {
		n++
	}
	return n
}

func perEvent(b *testing.B, run func(stream []byte)) {
	for _, name := range []string{"llm", "llm-crlf", "llm-cr", "tiny", "feed", "multiline"} {
		stream := corpora[name]
		n := events(stream)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				run(stream)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
		})
	}
}

// BenchmarkReadSlice is the practical limit: lines, and nothing done with them.
func BenchmarkReadSlice(b *testing.B) {
	perEvent(b, func(stream []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(stream), 64<<10)
		for {
			if _, err := r.ReadSlice('\n'); err != nil && err != bufio.ErrBufferFull {
				return
			}
		}
	})
}

func BenchmarkParser(b *testing.B) {
	var p sse.Parser
	perEvent(b, func(stream []byte) {
		p.Reset(bytes.NewReader(stream))
		for p.Next() == nil {
		}
	})
}

func BenchmarkRead(b *testing.B) {
	perEvent(b, func(stream []byte) {
		for _, err := range sse.Read(bytes.NewReader(stream)) {
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOneLine is one event of 16 MiB in one line, in pieces of a network's size and whole.
func BenchmarkOneLine(b *testing.B) {
	stream := []byte("data:" + strings.Repeat("x", 16<<20) + "\n\n")
	for name, piece := range map[string]int{"1400 B reads": 1400, "whole": len(stream)} {
		b.Run(name, func(b *testing.B) { parseOne(b, stream, piece) })
	}
}

// BenchmarkManyLines is one event of 200 000 short lines.
func BenchmarkManyLines(b *testing.B) {
	stream := []byte(strings.Repeat("data: a short line\n", 200_000) + "\n")
	for name, piece := range map[string]int{"1400 B reads": 1400, "whole": len(stream)} {
		b.Run(name, func(b *testing.B) { parseOne(b, stream, piece) })
	}
}

func parseOne(b *testing.B, stream []byte, piece int) {
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		r := everyN(stream, piece)
		b.StartTimer()
		if err := sse.NewParser(r).Next(); err != nil {
			b.Fatal(err)
		}
	}
}
