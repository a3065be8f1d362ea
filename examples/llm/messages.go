package main

import (
	"context"
	"io"
	"iter"

	"github.com/lastevent/sse"
)

// readMessage reads a stream of message events. It writes the text to w as it arrives, and
// returns a nil error only if the answer is complete: the event message_stop has been read.
func readMessage(w io.Writer, events iter.Seq2[sse.Event, error]) (answer, error) {
	var a answer
	begun := false
	stop := func(ev sse.Event) bool { return ev.Type == "message_stop" }
	for ev, err := range sse.Until(events, stop) {
		if err == nil {
			begun = true
			err = a.addEvent(w, ev)
		}
		if err != nil {
			return a, explain(err, begun)
		}
	}
	return a, nil
}

// tokens is the usage of a message.
type tokens struct {
	Input  int `json:"input_tokens"`
	Output int `json:"output_tokens"`
}

// addEvent appends an event to the answer. Each type of event has data of its own shape.
func (a *answer) addEvent(w io.Writer, ev sse.Event) error {
	switch ev.Type {
	case "message_start":
		var start struct{ Message struct{ Usage tokens } }
		if err := ev.Unmarshal(&start); err != nil {
			return err
		}
		a.Usage = usage(start.Message.Usage)
	case "content_block_delta":
		var block struct{ Delta struct{ Text string } } // no text in a piece of a tool's input
		if err := ev.Unmarshal(&block); err != nil {
			return err
		}
		_, err := io.WriteString(w, block.Delta.Text)
		return err
	case "message_delta":
		var message struct {
			Delta struct {
				StopReason string `json:"stop_reason"`
			}
			Usage tokens
		}
		if err := ev.Unmarshal(&message); err != nil {
			return err
		}
		a.Stop, a.Usage.Output = message.Delta.StopReason, message.Usage.Output // of the whole answer
	case "error":
		var body struct{ Error serviceError }
		if err := ev.Unmarshal(&body); err != nil {
			return err
		}
		return &failure{Outcome: failed, Service: &body.Error}
	case "ping": // keeps the connection alive
	default: // message_stop, the bounds of content blocks, and types that the service adds later
	}
	return nil
}

// askMessages asks a model. Like the POST of a chat, this one is sent once.
func askMessages(ctx context.Context, w io.Writer, client *sse.Client, url, model string) (answer, error) {
	req, err := newRequest(ctx, url+"/v1/messages", object{
		"model": model, "messages": question, "max_tokens": 1024, "stream": true,
	})
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("X-Api-Key", "key")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	return readMessage(w, client.Events(req))
}
