package main

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/lastevent/sse"
)

// readChat reads a stream of chat completion chunks. It writes the text to w as it arrives,
// and returns a nil error only if the answer is complete: "[DONE]" has been read.
func readChat(w io.Writer, events iter.Seq2[sse.Event, error]) (answer, error) {
	var a answer
	begun := false
	for c, err := range sse.Decode[chunk](events, "[DONE]") {
		switch {
		case err != nil:
		case c.Error != nil:
			err = &failure{Outcome: failed, Service: c.Error}
		default:
			begun = true
			err = a.add(w, c)
		}
		if err != nil {
			return a, explain(err, begun)
		}
	}
	return a, nil
}

// explain turns the error that ended an answer into a failure. Begun reports whether some of
// the answer had arrived: if so, it is truncated, whatever the cause.
func explain(err error, begun bool) error {
	if e := (*failure)(nil); errors.As(err, &e) {
		return err
	}
	if e := (*sse.ResponseError)(nil); errors.As(err, &e) {
		return &failure{refused, parseError(e.Body), err}
	}
	if e := (*sse.UnfinishedError)(nil); errors.As(err, &e) {
		if service := parseError([]byte(e.Text)); service != nil {
			return &failure{bareError, service, err}
		}
	}
	if begun || errors.Is(err, io.ErrUnexpectedEOF) { // the latter includes any UnfinishedError
		return &failure{truncated, nil, err}
	}
	return err // nothing came from the service
}

// A chunk is the data of an event.
type chunk struct {
	Choices []struct { // one, or none in the chunk with the usage
		Delta struct {
			Content   string
			ToolCalls []struct {
				Index    int
				ID       string // in the first piece of a call, like the name
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		FinishReason string `json:"finish_reason"`
	}
	Usage *struct { // in the last chunk
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	}
	Error *serviceError // some services fail in the middle of an answer
}

// add appends a chunk to the answer. The pieces of a call's arguments have the call's index.
func (a *answer) add(w io.Writer, c chunk) error {
	if c.Usage != nil {
		a.Usage = usage{c.Usage.Prompt, c.Usage.Completion}
	}
	for _, choice := range c.Choices {
		for _, piece := range choice.Delta.ToolCalls {
			call := a.call(piece.Index)
			call.ID += piece.ID
			call.Name += piece.Function.Name
			call.Arguments = append(call.Arguments, piece.Function.Arguments...)
		}
		if choice.FinishReason != "" {
			a.Stop = choice.FinishReason
		}
		if _, err := io.WriteString(w, choice.Delta.Content); err != nil {
			return err
		}
	}
	return nil
}

// askChat asks a model. The POST is sent once: under the default policy, an answer that was
// cut is not asked for, and not paid for, a second time.
func askChat(ctx context.Context, w io.Writer, client *sse.Client, url, model string) (answer, error) {
	req, err := newRequest(ctx, url+"/v1/chat/completions", object{
		"model": model, "messages": question,
		"stream": true, "stream_options": object{"include_usage": true},
	})
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer key")
	return readChat(w, client.Events(req))
}
