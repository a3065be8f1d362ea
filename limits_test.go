package sse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lastevent/sse"
)

// TestMaxEventSize holds each kind of line, and the data of several, to the limit, one
// byte below, at and above it.
func TestMaxEventSize(t *testing.T) {
	const limit = 1000
	fill := func(n int) string { return strings.Repeat("x", n) }
	for name, stream := range map[string]func(size int) string{
		"data line":           func(n int) string { return "data:" + fill(n-5) + "\n\n" },
		"data line, unended":  func(n int) string { return "data:" + fill(n-5) },
		"event line":          func(n int) string { return "event: " + fill(n-7) + "\ndata\n\n" },
		"event line, unended": func(n int) string { return "event: " + fill(n-7) },
		"id line":             func(n int) string { return "id:" + fill(n-3) + "\ndata\n\n" },
		"retry line":          func(n int) string { return "retry:" + fill(n-6) + "\n" },
		"retry digits":        func(n int) string { return "retry:" + strings.Repeat("1", n-6) + "\n" },
		"several data lines":  func(n int) string { return "data:" + fill(n-501) + "\ndata:" + fill(500) + "\n\n" },
		"several, unended":    func(n int) string { return "data:" + fill(n-501) + "\ndata:" + fill(500) },
		"an empty one last":   func(n int) string { return "data:" + fill(n-501) + "\ndata:" + fill(499) + "\ndata" },
		"many empty lines":    func(n int) string { return strings.Repeat("data\n", n+1) + "\n" },
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{limit - 1, limit, limit + 1} {
				everyCut([]byte("data:first\n\n"+stream(size)), func(cut string, r io.Reader) {
					p := &sse.Parser{MaxEventSize: limit}
					got := parse(t, p, r)
					require.NotEmpty(t, got.Events, "events before a large one are delivered")
					if size > limit {
						require.Equal(t, sse.ErrEventTooLarge, got.Err, "%d bytes, %s", size, cut)
						require.Len(t, got.Events, 1)
					} else {
						require.NotEqual(t, sse.ErrEventTooLarge, got.Err, "%d bytes, %s", size, cut)
					}
				})
			}
		})
	}
}

func TestMaxEventSizeOfOneByte(t *testing.T) {
	got := parse(t, &sse.Parser{MaxEventSize: 1}, strings.NewReader(":comment\n\nfoo:bar\n\ndata"))
	require.ErrorIs(t, got.Err, io.ErrUnexpectedEOF)
	got = parse(t, &sse.Parser{MaxEventSize: 1}, strings.NewReader("data\n\n"))
	require.ErrorIs(t, got.Err, sse.ErrEventTooLarge)
}

// endless repeats its text, counting the bytes that were read.
type endless struct {
	text string
	read int
	max  int // bytes, then io.EOF
}

func (r *endless) Read(b []byte) (int, error) {
	if r.read >= r.max {
		return 0, io.EOF
	}
	n := 0
	for n < len(b) {
		n += copy(b[n:], r.text[(r.read+n)%len(r.text):])
	}
	r.read += n
	return n, nil
}

// TestEndlessLine: a line without an end is given up at the limit, not when memory runs out.
func TestEndlessLine(t *testing.T) {
	for _, name := range []string{"data:", "event:", "id:", "retry:"} {
		p := &sse.Parser{MaxEventSize: 1 << 20}
		r := &endless{text: strings.Repeat("x", 4096), max: 1 << 30}
		largest := 0
		watched := readerFunc(func(b []byte) (int, error) {
			largest = max(largest, p.BufferSize())
			return r.Read(b)
		})
		p.Reset(io.MultiReader(strings.NewReader(name), watched))
		require.ErrorIs(t, p.Next(), sse.ErrEventTooLarge)
		require.Less(t, r.read, 1<<20+64<<10)
		require.LessOrEqual(t, largest, 5<<18)
		require.LessOrEqual(t, p.BufferSize(), sse.MaxBuffer, "what is given up is let go")
	}
}

// TestLargestBuffer: data of the limit, and after it a line without an end.
func TestLargestBuffer(t *testing.T) {
	var p sse.Parser
	data := "data:" + strings.Repeat("x", sse.DefaultMaxEventSize-len("data:")) + "\n"
	largest := 0
	line := &endless{text: "event:" + strings.Repeat("x", 4096), max: 1 << 30}
	p.Reset(io.MultiReader(strings.NewReader(data), readerFunc(func(b []byte) (int, error) {
		largest = max(largest, p.BufferSize())
		return line.Read(b)
	})))
	require.ErrorIs(t, p.Next(), sse.ErrEventTooLarge)
	require.Equal(t, 80<<20, largest)
	require.Less(t, line.read, sse.DefaultMaxEventSize+64<<10)
}

// TestSkippedLines: comments and unknown fields of 4 MiB are skipped without being stored.
func TestSkippedLines(t *testing.T) {
	const length = 4 << 20
	for _, begin := range []string{":", "foo:", "foo", "data", "id", "eventually:", "\ufeff:"} {
		p := sse.NewParser(io.MultiReader(strings.NewReader(begin), &endless{text: strings.Repeat("x", 4096), max: length}, strings.NewReader("\ndata:1\n\n")))
		p.MaxEventSize = 1000
		require.NoError(t, p.Next(), "%q", begin)
		require.Equal(t, "1", string(p.Data()))
		require.LessOrEqual(t, p.BufferSize(), 160<<10, "%q", begin)
	}
}

// TestCommentIsCut holds the text that a hook gets to 64 KiB, at a rune's border.
func TestCommentIsCut(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{strings.Repeat("x", sse.MaxComment-1), strings.Repeat("x", sse.MaxComment-1)},
		{strings.Repeat("x", sse.MaxComment), strings.Repeat("x", sse.MaxComment)},
		{strings.Repeat("x", sse.MaxComment+1), strings.Repeat("x", sse.MaxComment)},
		{strings.Repeat("x", 5*sse.MaxComment), strings.Repeat("x", sse.MaxComment)},
		{strings.Repeat("€", sse.MaxComment), strings.Repeat("€", sse.MaxComment/3)},
		{strings.Repeat("\xff", sse.MaxComment+1), strings.Repeat("\ufffd", sse.MaxComment)},
	} {
		for _, before := range []string{"", "data:1\n"} {
			stream := []byte(before + ":" + test.text + "\r\n:b\ndata:2\n\n")
			atEnd := len(before) + 1 + len(test.text)
			for _, r := range []io.Reader{bytes.NewReader(stream), cutAt(stream, atEnd), everyN(stream, 1000), everyN(stream, 60_000), everyN(stream, 70_001)} {
				got := parse(t, new(sse.Parser), r)
				if len(got.Comments) != 2 || got.Comments[0] != test.want || got.Comments[1] != "b" {
					t.Fatalf("comment of %d bytes arrived as %d comments", len(test.text), len(got.Comments))
				}
				require.Len(t, got.Events, 1)
			}
		}
	}
}

// TestBuffer: the buffer starts small, doubles when reads fill it, grows past 64 KiB
// for one large event, and is let go after it.
func TestBuffer(t *testing.T) {
	p := sse.NewParser(everyN([]byte(strings.Repeat("data:1\n\n", 1000)), 8))
	for range 1000 {
		require.NoError(t, p.Next())
	}
	require.Equal(t, sse.MinBuffer, p.BufferSize(), "a slow stream costs little")

	p = sse.NewParser(strings.NewReader(strings.Repeat("data:12\n\n", 100_000)))
	for range 100_000 {
		require.NoError(t, p.Next())
		require.LessOrEqual(t, p.BufferSize(), sse.MaxBuffer)
	}
	require.Equal(t, sse.MaxBuffer, p.BufferSize(), "a busy one is read in large pieces")

	large := "data:" + strings.Repeat("x", 10<<20) + "\n\n"
	p = sse.NewParser(io.MultiReader(strings.NewReader(large), strings.NewReader("data:1\n\n")))
	require.NoError(t, p.Next())
	require.Len(t, p.Data(), 10<<20)
	require.Greater(t, p.BufferSize(), 10<<20)
	require.NoError(t, p.Next())
	require.Equal(t, sse.MaxBuffer, p.BufferSize(), "a large event does not pin its memory")

	p.Reset(strings.NewReader(large))
	require.NoError(t, p.Next())
	p.Reset(nil)
	require.LessOrEqual(t, p.BufferSize(), sse.MaxBuffer, "nor over a reconnection")
}

// TestLargeEventIsLetGo waits for the next event after one of 16 MiB, with malformed
// bytes in it so that it was copied too, or without, and an ID of 1 MiB.
func TestLargeEventIsLetGo(t *testing.T) {
	for name, last := range map[string]string{"malformed": "\xff", "well-formed": ""} {
		t.Run(name, func(t *testing.T) { testLetGo(t, last) })
	}
}

func testLetGo(t *testing.T, last string) {
	heap := func() int {
		runtime.GC()
		runtime.GC() // pools take two
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	r, w := io.Pipe()
	p := sse.NewParser(r)
	before := heap()
	written := make(chan bool)
	go func() {
		defer close(written)
		_, _ = io.WriteString(w, "id:"+strings.Repeat("i", 1<<20)+"\ndata:")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 4<<20))
		_, _ = io.WriteString(w, last+"\n\nid:1\n\nid:2\n\n:c\n")
	}()
	require.NoError(t, p.Next())
	commented := make(chan bool)
	p.Comment = func([]byte) { close(commented) }
	end := make(chan error)
	go func() { end <- p.Next() }()
	<-commented
	<-written // what the writer held is garbage, too
	assert.Less(t, heap()-before, 1<<20)
	w.Close()
	require.ErrorIs(t, <-end, io.EOF)
	runtime.KeepAlive(p)
}

// TestLargeEventsInARow: the second finds the first one's buffer, as long as the garbage
// collector has not taken it. (TestLargeEventIsLetGo sees to it that it can.)
func TestLargeEventsInARow(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	allocated := func() int {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.TotalAlloc)
	}
	for _, size := range []int{100_000, 1 << 20} {
		p := sse.NewParser(everyN(bytes.Repeat([]byte("data:"+strings.Repeat("x", size)+"\n\ndata:1\n\n"), 20), 1400))
		next := func() int {
			before := allocated()
			require.NoError(t, p.Next())
			require.Len(t, p.Data(), size)
			took := allocated() - before
			require.NoError(t, p.Next())
			require.Equal(t, "1", string(p.Data()))
			return took
		}
		require.Greater(t, next(), size)
		for range 19 {
			require.Less(t, next(), 16<<10)
		}
	}
}

// TestManyTypes: a server cannot fill the memory with event types.
func TestManyTypes(t *testing.T) {
	var stream strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&stream, "event:%d\ndata\n\n", i)
	}
	p := sse.NewParser(strings.NewReader(stream.String()))
	for i := range 100_000 {
		if err, kept := p.Next(), p.TypesKept(); err != nil || p.Type() != strconv.Itoa(i) || kept > sse.MaxTypes {
			t.Fatalf("type %d is %q; %v; %d are kept", i, p.Type(), err, kept)
		}
	}
	p.Reset(strings.NewReader("event:" + strings.Repeat("x", sse.MaxTypeLen+1) + "\ndata\n\n"))
	kept := p.TypesKept()
	require.NoError(t, p.Next())
	require.Equal(t, kept, p.TypesKept(), "a long type is not kept")
	p.Reset(strings.NewReader("event:" + strings.Repeat("x", sse.MaxTypeLen) + "\ndata\n\n"))
	require.NoError(t, p.Next())
	require.Equal(t, kept+1, p.TypesKept())
}

// TestAllocs: none for an event of the Parser; for one of Read its data, and its ID
// where that has changed.
func TestAllocs(t *testing.T) {
	const n = 1000
	var feed strings.Builder
	for i := range 4 * n {
		fmt.Fprintf(&feed, "event:change\nid:%d\ndata:some data\n\n", i)
	}
	for name, test := range map[string]struct {
		stream         string
		parser, events float64
	}{
		"one line":          {"data: some data\n\n", 0, 1},
		"several lines":     {"data: some\ndata: data\ndata\n\n", 0, 1},
		"CRLF":              {"data: some\r\ndata: data\r\n\r\n", 0, 1},
		"types":             {"event: add\ndata: xyz\n\nevent:remove\ndata: some data\n\n", 0, 1},
		"unchanging ID":     {"id: some ID\nevent: a\ndata: some data\n\n", 0, 1},
		"changing IDs":      {feed.String(), 0, 2},
		"empty data":        {"data\n\n", 0, 0},
		"not ASCII":         {"data:日本語\n\n", 0, 1},
		"malformed UTF-8":   {"data: \xff\xff some data\n\n", 0, 1},
		"retry, and others": {":c\nfoo:bar\nretry:5\ndata:some data\n\n", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := sse.NewParser(&endless{text: test.stream, max: math.MaxInt})
			advance := func() {
				if err := p.Next(); err != nil {
					t.Fatal(err)
				}
			}
			for range n { // the buffer has grown
				advance()
			}
			require.Equal(t, test.parser, testing.AllocsPerRun(n, advance))
			require.Equal(t, test.events, testing.AllocsPerRun(n, func() {
				advance()
				sink = p.Event()
			}))
		})
	}
}

var sink sse.Event

// TestMalformedBytesCountAsU_FFFD: the limit is one on what is delivered, and U+FFFD has
// three bytes where there was one.
func TestMalformedBytesCountAsU_FFFD(t *testing.T) {
	const limit = 999
	for name, stream := range map[string]func(n int) string{
		"one data line": func(n int) string { return "data:" + strings.Repeat("\xff", n) + "\n\n" },
		"two data lines": func(n int) string {
			return "data:" + strings.Repeat("\xff", n-40) + "\ndata:" + strings.Repeat("x", 119) + "\n\n"
		},
		"a type":             func(n int) string { return "event:" + strings.Repeat("\xff", n) + "\ndata\n\n" },
		"an ID":              func(n int) string { return "id:" + strings.Repeat("\xff", n) + "\ndata\n\n" },
		"an unfinished line": func(n int) string { return "data:" + strings.Repeat("\xff", n) },
		"an unfinished ID":   func(n int) string { return "id:" + strings.Repeat("\xff", n) },
		"truncated runes":    func(n int) string { return "data:" + strings.Repeat("\xe2\x82", n) + "\n\n" },
		"runes in between": func(n int) string {
			return "data:" + strings.Repeat("\xff€", n/2) + strings.Repeat("\xff", n%2) + "\n\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n, tooLarge := range map[int]bool{332: false, 333: false, 334: true} {
				everyCut([]byte("id:before\ndata:1\n\nid:with\n"+stream(n)), func(cut string, r io.Reader) {
					got := parse(t, &sse.Parser{MaxEventSize: limit}, r)
					require.Equal(t, tooLarge, got.Err == sse.ErrEventTooLarge, "%d, %s: %v", n, cut, got.Err)
					if tooLarge {
						require.Equal(t, "before", got.LastEventID, "an event that was not delivered is to be sent again")
					}
				})
			}
		})
	}
	t.Run("memory", func(t *testing.T) {
		const size = 2 << 20
		line := strings.Repeat("\xff", size)
		for _, field := range []string{"data:", "id:", "event:"} {
			p := &sse.Parser{MaxEventSize: size + 6}
			p.Reset(strings.NewReader(field + line + "\ndata\n\n"))
			before := allocated()
			require.Equal(t, sse.ErrEventTooLarge, p.Next())
			require.Less(t, allocated()-before, uint64(4*size), field)
		}
	})
}

// TestSkippedLinesCostNothing: lines that no hook wants need a few bytes.
func TestSkippedLinesCostNothing(t *testing.T) {
	for _, begin := range []string{":", "foo:", "foo", "eventually:"} {
		for _, piece := range []int{100, 1400, 32 << 10} {
			p := new(sse.Parser)
			p.Reset(io.MultiReader(strings.NewReader("data:1\n\n"+begin), &pieces{endless{text: strings.Repeat("x", 4096), max: 4 << 20}, piece}, strings.NewReader("\ndata:2\n\n")))
			require.NoError(t, p.Next())
			before := allocated()
			require.NoError(t, p.Next())
			require.Equal(t, "2", string(p.Data()))
			require.Less(t, allocated()-before, uint64(8<<10), "%q, reads of %d", begin, piece)
		}
	}
}

// pieces are the reads of an endless stream, of at most so many bytes.
type pieces struct {
	endless
	size int
}

func (r *pieces) Read(b []byte) (int, error) { return r.endless.Read(b[:min(len(b), r.size)]) }

// TestIDInForceCostsNothing: events that name no ID do not look at the one in force, and
// those that name it again cost what their line does.
func TestIDInForceCostsNothing(t *testing.T) {
	id := strings.Repeat("i", 1<<20)
	p := sse.NewParser(io.MultiReader(strings.NewReader("id:"+id+"\ndata\n\n"), strings.NewReader(strings.Repeat("data:1\n\n", 1000))))
	require.NoError(t, p.Next())
	require.Equal(t, id, p.LastEventID())
	require.Zero(t, testing.AllocsPerRun(900, func() {
		if p.Next() != nil || len(p.LastEventID()) != len(id) {
			t.Fatal("lost")
		}
	}))
	id = id[:1000]
	p.Reset(strings.NewReader(strings.Repeat("id:"+id+"\ndata:1\n\n", 50)))
	for range 10 {
		require.NoError(t, p.Next())
		_ = p.LastEventID()
	}
	require.Zero(t, testing.AllocsPerRun(30, func() {
		if p.Next() != nil || len(p.LastEventID()) != len(id) {
			t.Fatal("lost")
		}
	}))
}

// TestSizes: the sizes that the documents promise.
func TestSizes(t *testing.T) {
	require.Equal(t, 32<<20, sse.DefaultMaxEventSize)
	require.Equal(t, 512, sse.MinBuffer)
	require.Equal(t, 64<<10, sse.MaxBuffer)
	require.Equal(t, 64<<10, sse.MaxComment)
	require.Equal(t, 64, sse.MaxTypes)
	require.Equal(t, 64, sse.MaxTypeLen)
}

// TestReads: a busy stream is read 32 KiB at a time, also inside a large event.
func TestReads(t *testing.T) {
	largest := 0
	r := &endless{text: "data: some data\n\n" + "data:" + strings.Repeat("x", 1<<20) + "\n\n", max: 8 << 20}
	p := sse.NewParser(readerFunc(func(b []byte) (int, error) {
		largest = max(largest, len(b))
		return r.Read(b)
	}))
	for p.Next() == nil {
	}
	require.Equal(t, 32<<10, largest)
}

// TestEmptyReads: a reader may return nothing 99 times in a row.
func TestEmptyReads(t *testing.T) {
	for _, test := range []struct {
		empty int
		want  error
	}{{99, nil}, {100, io.ErrNoProgress}} {
		reads := 0
		p := sse.NewParser(readerFunc(func(b []byte) (int, error) {
			reads++
			if reads <= test.empty {
				return 0, nil
			}
			return copy(b, "data\n\n"), nil
		}))
		require.Equal(t, test.want, p.Next())
	}
}

// TestNoReadBehindAnError: an error that comes with bytes is the last that is read.
func TestNoReadBehindAnError(t *testing.T) {
	broken := errors.New("broken")
	reads := 0
	p := sse.NewParser(readerFunc(func(b []byte) (int, error) {
		reads++
		return copy(b, "data\n\ndata\n\nda"), broken
	}))
	require.NoError(t, p.Next())
	require.NoError(t, p.Next())
	require.Equal(t, broken, p.Next())
	require.Equal(t, 1, reads)
}

// TestGrowth: a full buffer of 64 KiB grows where more than three quarters of it are kept,
// data lines and the beginning of a line; else those move to the front.
func TestGrowth(t *testing.T) {
	const size = sse.MaxBuffer
	for _, test := range []struct{ kept, want int }{
		{1, size}, {size/4*3 - 1, size}, {size / 4 * 3, size}, {size/4*3 + 1, 160 << 10}, {size - 9, 160 << 10},
	} {
		for _, data := range []int{0, 20_000} {
			part := test.kept - data // of the line in the buffer
			if part < 1 {
				continue
			}
			t.Run(fmt.Sprint(test.kept, " with ", data, " of data"), func(t *testing.T) {
				event := "data:" + strings.Repeat("x", 200_000) + "\n\n"
				length := 200_000
				skipped := size - part
				if data > 0 {
					event = "data:" + strings.Repeat("y", data) + "\n" + event
					length += data + 1
					skipped -= len("data:\n") + data
				}
				stream := strings.NewReader(":" + strings.Repeat("c", skipped-2) + "\n" + event)
				var p *sse.Parser
				reads, got := 0, 0
				p = sse.NewParser(io.MultiReader(strings.NewReader(strings.Repeat("data:1\n\n", 30_000)), readerFunc(func(b []byte) (int, error) {
					if reads++; reads == 3 { // two have filled it
						got = p.BufferSize()
					}
					return stream.Read(b)
				})))
				for range 30_000 {
					require.NoError(t, p.Next())
				}
				require.NoError(t, p.Next())
				require.Len(t, p.Data(), length)
				require.Equal(t, test.want, got)
			})
		}
	}
}

// TestResetKeepsTheBuffer: a new connection allocates nothing for what it reads.
func TestResetKeepsTheBuffer(t *testing.T) {
	stream := strings.Repeat("data:1\n\n", 30_000)
	p, r := sse.NewParser(strings.NewReader(stream)), new(strings.Reader)
	for p.Next() == nil {
	}
	require.Equal(t, sse.MaxBuffer, p.BufferSize())
	require.Zero(t, testing.AllocsPerRun(10, func() {
		r.Reset(stream)
		p.Reset(r)
		for p.Next() == nil {
		}
	}))
}

// What was seen to go wrong in other clients, where no other test is about it.

// TestLargeEvents: lines and events of many times 64 KiB, in reads of a network's size.
// Where the time is quadratic, this takes a minute.
func TestLargeEvents(t *testing.T) {
	line := strings.Repeat("x", 16<<20)
	p := sse.NewParser(everyN([]byte("data:"+line+"\n\n"), 1400))
	require.NoError(t, p.Next())
	require.True(t, string(p.Data()) == line)

	const lines = 200_000
	p = sse.NewParser(everyN([]byte(strings.Repeat("data: a short line\n", lines)+"\n"), 1400))
	require.NoError(t, p.Next())
	require.True(t, string(p.Data()) == strings.Repeat("a short line\n", lines-1)+"a short line")
}

// TestLargeEventThroughClient: no limit of 64 KiB, which the next connection would meet again.
func TestLargeEventThroughClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		large := strings.Repeat("0123456789", 100_000)
		s := serve(t, stream("id:1\ndata:"+large+"\n\ndata:2\n\n"))
		got, err := all(t, (&sse.Client{HTTPClient: s.client}).Get(t.Context(), "http://memnet/"))
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.True(t, got[0].Data == large)
		require.Equal(t, "- 1", s.lastEventIDs())
	})
}

// TestStoppingUnderLoad: streams that are busy end when they are told to, all of them.
func TestStoppingUnderLoad(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		in(t, map[bool]string{false: "HTTP1", true: "HTTP2"}[http2], func(t *testing.T) {
			var open sync.WaitGroup
			s := serveAll(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				open.Add(1)
				defer open.Done()
				for n := 0; r.Context().Err() == nil; n++ {
					send(w, strings.Repeat(fmt.Sprintf(":\nid:%d\ndata:%d\n\n", n, n), 100))
					pause(r, time.Millisecond)
				}
			})
			if http2 {
				s.useHTTP2(t)
			}
			c := sse.Client{HTTPClient: s.client, IdleTimeout: time.Second}
			var streams sync.WaitGroup
			for i := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				streams.Go(func() {
					n := 0
					for _, err := range c.Get(ctx, "http://memnet/") {
						if n++; n > 50*i && i%2 == 0 {
							break
						}
						if err != nil && (i%2 == 0 || err != context.Canceled) {
							t.Error(err)
						}
					}
				})
				if i%2 == 0 {
					context.AfterFunc(t.Context(), cancel)
				} else {
					time.AfterFunc(time.Duration(i)*time.Millisecond/3, cancel)
				}
			}
			streams.Wait() // a bubble in which everyone waits fails
			open.Wait()
		})
	}
}
