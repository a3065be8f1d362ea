package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An answer is what came with a model's text. The text itself is written as it arrives.
type answer struct {
	Calls map[int]*call // by the index that the service gives them
	Stop  string        // why the model stopped, in the service's words
	Usage usage
}

// A call is a function that the model asks the program to call.
type call struct {
	ID, Name  string
	Arguments []byte // JSON, once the answer is complete
}

// A usage counts the tokens of the question and of the answer.
type usage struct{ Input, Output int }

// call returns the call with an index. It is empty the first time.
func (a *answer) call(index int) *call {
	if a.Calls[index] == nil {
		if a.Calls == nil {
			a.Calls = make(map[int]*call)
		}
		a.Calls[index] = new(call)
	}
	return a.Calls[index]
}

func (a answer) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "stopped by %q, %d tokens in, %d out", a.Stop, a.Usage.Input, a.Usage.Output)
	for _, index := range slices.Sorted(maps.Keys(a.Calls)) {
		fmt.Fprintf(&s, ", call %s(%s)", a.Calls[index].Name, a.Calls[index].Arguments)
	}
	return s.String()
}
