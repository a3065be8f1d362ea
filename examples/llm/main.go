// Command llm prints language models' answers as they are made, in the two wire formats that
// most services speak. The models here are fakes of its own: go run ./examples/llm
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/lastevent/sse"
)

func main() {
	srv := httptest.NewServer(http.HandlerFunc(fake))
	defer srv.Close()
	client := sse.Client{IdleTimeout: time.Minute} // a POST is never sent, nor paid for, twice
	for path, answer := range map[string]func(io.Writer, iter.Seq2[sse.Event, error]) error{
		"/v1/chat/completions": openAI, "/v1/messages": anthropic,
	} {
		req, err := http.NewRequest(http.MethodPost, srv.URL+path, strings.NewReader(`{"stream": true, "model": "…", "messages": ["…"]}`))
		if err == nil {
			err = answer(os.Stdout, client.Events(req))
		}
		fmt.Println()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// openAI: chunks without a type, an end word, errors among the chunks.
func openAI(w io.Writer, events iter.Seq2[sse.Event, error]) error {
	type chunk struct {
		Choices []struct{ Delta struct{ Content string } }
		Error   *struct{ Message string }
	}
	for c, err := range sse.Decode[chunk](events, "[DONE]") {
		if err != nil {
			return err
		}
		if c.Error != nil {
			return errors.New(c.Error.Message)
		}
		for _, choice := range c.Choices {
			fmt.Fprint(w, choice.Delta.Content)
		}
	}
	return nil
}

// anthropic: events of many types, of which one ends the answer and one is an error.
func anthropic(w io.Writer, events iter.Seq2[sse.Event, error]) error {
	for ev, err := range events {
		var m struct {
			Delta struct{ Text string }
			Error struct{ Message string }
		}
		if err == nil {
			err = json.Unmarshal([]byte(ev.Data), &m)
		}
		switch {
		case err != nil:
			return err
		case ev.Type == "error":
			return errors.New(m.Error.Message)
		case ev.Type == "message_stop":
			return nil
		}
		fmt.Fprint(w, m.Delta.Text) // "" in all but content_block_delta
	}
	return io.ErrUnexpectedEOF
}
