package sse_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/lastevent/sse"
)

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
