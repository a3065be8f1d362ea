// Package bench measures package sse beside its peers and its limits: the same bytes, in
// one run, with the rounds interleaved. Command report runs all of it.
package bench

import (
	"fmt"
	"strings"
)

// An Event is what every client makes of a block of a stream. LastEventID is the ID in
// force.
type Event struct{ Type, Data, LastEventID string }

// A Corpus is a stream and its meaning. It is made when it is measured: a heap full of
// corpora would slow down the clients that allocate.
type Corpus struct {
	Name   string
	About  string
	N      int                // events
	Wire   func(i int) string // event i as it is sent
	Event  func(i int) Event  // and as it is meant
	Blocks int                // by which times are divided: events, or comments where there is next to nothing else
	Piece  int                // bytes of one read; 0: what is asked for
}

// Stream returns the corpus's bytes.
func (c Corpus) Stream() []byte {
	var stream []byte
	for i := range c.N {
		stream = append(stream, c.Wire(i)...)
	}
	return stream
}

// Corpora returns the shapes of streams that clients meet, each of about 1 MiB, and
// three whose events are large on purpose.
func Corpora() []Corpus {
	const (
		english = " word, then some"
		chinese = "，服务器发送事件流是一种让服务器把更新推送给客户端的简单办法，断线以后"
		russian = ", поток событий сервера передаёт клиенту обновления, а после"
		emoji   = "🎉😀👍🏽🚀🌍🔥💡📚🎵🍀🐙🦊🌈🧠🎯🙌🏿🥳🧩🛰🪐🧭🎲🧵"
	)
	const mib = 1 << 20
	heartbeats := corpus("heartbeats", "comments of 0 to 11 bytes, each with its blank line, and an event after every hundred", 1000,
		strings.Repeat(":\n\n: ping\n\n: keep-alive\n\n:ok\n\n", 25)+"data: 1\n\n", "1")
	heartbeats.Blocks *= 101
	return []Corpus{
		llm("llm", "one JSON object of about 200 bytes an event, LF", "\n", english),
		llm("llm-crlf", "the same with CRLF", "\r\n", english),
		llm("llm-cr", "the same with CR", "\r", english),
		llm("llm-chinese", "the same with LF, a third of its bytes Chinese", "\n", chinese),
		llm("llm-russian", "the same, a third of its bytes Russian", "\n", russian),
		llm("llm-emoji", "the same, a third of its bytes emoji", "\n", emoji),
		corpus("tiny", "9 bytes an event", 100_000, "data: 1\n\n", "1"),
		{
			Name:   "feed",
			About:  "1 KiB an event, each with a type and an ID",
			N:      1000,
			Wire:   func(i int) string { return fmt.Sprintf("event: change\nid: %d\ndata: %s\n\n", i, text(960)) },
			Event:  func(i int) Event { return Event{Type: "change", Data: text(960), LastEventID: fmt.Sprint(i)} },
			Blocks: 1000,
		},
		lines("multiline", "8 lines of 20 bytes an event", 5000, 8, "a line of some bytes"),
		heartbeats,
		oneLine("big", "1 MiB an event, in one line", 8, mib, 0),
		oneLine("one-line", "one event, a line of 16 MiB, in reads of 1400 bytes", 1, 16*mib, 1400),
		manyLines("many-lines", "one event of 200 000 lines, in reads of 1400 bytes", 200_000, 1400),
	}
}

// oneLine returns n events of one line of size bytes.
func oneLine(name, about string, n, size, piece int) Corpus {
	return Corpus{
		Name:   name,
		About:  about,
		N:      n,
		Wire:   func(int) string { return "data: " + text(size) + "\n\n" },
		Event:  func(int) Event { return Event{Type: "message", Data: text(size)} },
		Blocks: n,
		Piece:  piece,
	}
}

// manyLines returns one event of n short lines.
func manyLines(name, about string, n, piece int) Corpus {
	c := lines(name, about, 1, n, "a short line")
	c.Piece = piece
	return c
}

func lines(name, about string, n, rows int, row string) Corpus {
	return Corpus{
		Name:   name,
		About:  about,
		N:      n,
		Wire:   func(int) string { return strings.Repeat("data: "+row+"\n", rows) + "\n" },
		Event:  func(int) Event { return Event{Type: "message", Data: strings.Repeat(row+"\n", rows-1) + row} },
		Blocks: n,
	}
}

func llm(name, about, lineEnd, content string) Corpus {
	chunk := `{"id":"chatcmpl-9x2","object":"chat.completion.chunk","created":1795176521,"model":"m-1","choices":[{"index":0,"delta":{"content":"` +
		content + `"},"logprobs":null,"finish_reason":null}],"usage":null}`
	return corpus(name, about, 5000, "data: "+chunk+lineEnd+lineEnd, chunk)
}

// corpus returns n equal events.
func corpus(name, about string, n int, wire, data string) Corpus {
	return Corpus{
		Name:   name,
		About:  about,
		N:      n,
		Wire:   func(int) string { return wire },
		Event:  func(int) Event { return Event{Type: "message", Data: data} },
		Blocks: n,
	}
}

// text returns n bytes of text.
func text(n int) string {
	const hex = "0123456789abcdef"
	return strings.Repeat(hex, n/len(hex)) + hex[:n%len(hex)]
}
