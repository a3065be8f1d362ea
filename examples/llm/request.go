package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
)

// object is a JSON object.
type object map[string]any

// question is the conversation so far, as chat completions and messages take it.
var question = []object{{"role": "user", "content": "What is above us?"}}

// newRequest returns a POST of body as JSON.
func newRequest(ctx context.Context, url string, body object) (*http.Request, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}
