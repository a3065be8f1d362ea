// Package openai makes package sse the decoder of OpenAI's SDK for event streams, by the one
// function that the SDK has for that. It is enough to import this package.
package openai

import (
	"bytes"
	"io"

	"github.com/lastevent/sse"
	"github.com/openai/openai-go/v3/packages/ssestream"
)

func init() { ssestream.RegisterDecoder("text/event-stream", newDecoder) }

type decoder struct {
	body   io.Closer
	parser *sse.Parser
	err    error
}

func newDecoder(body io.ReadCloser) ssestream.Decoder {
	return &decoder{body: body, parser: sse.NewParser(body)}
}

func (d *decoder) Next() bool {
	d.err = d.parser.Next()
	return d.err == nil
}

// Event returns the current event in the SDK's form: there is an LF after the last line of
// the data, and the type of an event that names none is empty.
func (d *decoder) Event() ssestream.Event {
	typ := d.parser.Type()
	if typ == "message" {
		typ = ""
	}
	return ssestream.Event{Type: typ, Data: append(bytes.Clone(d.parser.Data()), '\n')}
}

func (d *decoder) Close() error { return d.body.Close() }

// Err returns what has ended the stream, nil for its end. An answer that was cut off inside an
// event ends with an error.
func (d *decoder) Err() error {
	if d.err == io.EOF {
		return nil
	}
	return d.err
}
