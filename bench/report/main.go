// Command report measures package sse beside its peers and its limits. Run it in the bench
// directory:
//
//	go run ./report
//
// It takes less than ten minutes, and writes the figures to results.json, and from them
// RESULTS.md and the plots. With -render it measures nothing and writes those two again, and
// with -idle it measures the idle streams only, and keeps the other figures.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lastevent/sse/bench"
)

const figures = "results.json"

func main() {
	bench.RunRole()
	renderOnly := flag.Bool("render", false, "write RESULTS.md and the plots from "+figures+", measure nothing")
	idleOnly := flag.Bool("idle", false, "measure only the idle streams again")
	flag.Parse()
	if err := run(*renderOnly, *idleOnly); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(renderOnly, idleOnly bool) error {
	if !renderOnly {
		r, err := measure(idleOnly)
		if err != nil {
			return err
		}
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(figures, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	r, err := load(figures)
	if err != nil {
		return err
	}
	return render(".", r)
}

func measure(idleOnly bool) (*bench.Results, error) {
	if !idleOnly {
		return bench.Measure(os.Stderr)
	}
	r, err := load(figures)
	if err != nil {
		return nil, err
	}
	return r, r.MeasureIdle(os.Stderr)
}

func load(path string) (*bench.Results, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(bench.Results)
	return r, json.Unmarshal(b, r)
}

// render writes RESULTS.md and the plots to dir.
func render(dir string, r *bench.Results) error {
	var text bytes.Buffer
	writeMarkdown(&text, r)
	if err := os.WriteFile(filepath.Join(dir, "RESULTS.md"), text.Bytes(), 0o644); err != nil {
		return err
	}
	return writePlots(filepath.Join(dir, "plots"), r)
}
