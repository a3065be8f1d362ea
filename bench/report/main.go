// Command report measures package sse beside its peers and its limits, and writes
// RESULTS.md and plots. Run it in the bench directory:
//
//	go run ./report
//
// It takes less than ten minutes. With -from it writes them again from the figures that an
// earlier run left with -save.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/lastevent/sse/bench"
)

func main() {
	bench.RunRole()
	from := flag.String("from", "", "read the figures from `file` instead of measuring")
	save := flag.String("save", "", "write the figures to `file`, as JSON")
	flag.Parse()
	if err := run(*from, *save); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(from, save string) error {
	r, err := results(from)
	if err != nil {
		return err
	}
	if save != "" {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(save, b, 0o644); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	writeMarkdown(&text, r)
	return os.WriteFile("RESULTS.md", text.Bytes(), 0o644)
}

func results(from string) (*bench.Results, error) {
	if from == "" {
		return bench.Measure(os.Stderr)
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return nil, err
	}
	r := new(bench.Results)
	return r, json.Unmarshal(b, r)
}
