package main

import (
	"encoding/json"
	"fmt"
)

// A message is a message of JSON-RPC 2.0, in either direction: a request if it has a method
// and an ID, a notification if it has only a method, and the answer to a request if it has
// only an ID.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`

	EventID string `json:"-"` // of the event that carried it
}

// answer returns the result or the error of an answer.
func (m message) answer() (json.RawMessage, error) {
	if m.Error != nil {
		return nil, m.Error
	}
	return m.Result, nil
}

// An rpcError is an error that a peer answers with.
type rpcError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (e *rpcError) Error() string { return fmt.Sprintf("mcp: error %d: %s", e.Code, e.Message) }

const methodNotFound = -32601 // an rpcError's code
