// Command llm asks a language model and prints its answer as it is made, from any server
// that speaks OpenAI's chat protocol:
//
//	LLM_KEY=… go run ./examples/llm https://…/v1/chat/completions model "Why is the sky blue?"
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/lastevent/sse"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: llm URL MODEL QUESTION")
		os.Exit(2)
	}
	m := model{client: http.DefaultClient, url: os.Args[1], key: os.Getenv("LLM_KEY"), name: os.Args[2]}
	if err := m.ask(context.Background(), os.Args[3], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type model struct {
	client         *http.Client
	url, key, name string
}

// chunk is a part of an answer, or an error that comes in the middle of one.
type chunk struct {
	Choices []struct{ Delta struct{ Content string } }
	Error   *struct{ Message string }
}

func (m *model) ask(ctx context.Context, question string, w io.Writer) error {
	body, err := json.Marshal(map[string]any{
		"model": m.name, "stream": true, "messages": []any{map[string]string{"role": "user", "content": question}},
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+m.key)
	req.Header.Set("Content-Type", "application/json")

	client := sse.Client{HTTPClient: m.client, IdleTimeout: time.Minute}
	for c, err := range sse.Decode[chunk](client.Events(req), "[DONE]") {
		if err != nil {
			return err
		}
		if c.Error != nil {
			return fmt.Errorf("llm: %s", c.Error.Message)
		}
		for _, choice := range c.Choices {
			fmt.Fprint(w, choice.Delta.Content)
		}
	}
	fmt.Fprintln(w)
	return nil
}
