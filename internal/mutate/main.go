// Command mutate breaks the files of package sse in one place at a time, and runs the
// package's tests against each: a mutant that they do not notice is a test that is missing,
// or a place that does not matter. Run it in the root of the module:
//
//	go run ./internal/mutate
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// The files that decide what is parsed, sent, kept and waited for.
var files = []string{"parser.go", "parser_field.go", "parser_buffer.go", "parser_utf8.go", "unfinished.go", "reconnect.go", "stream.go", "connection.go",
	"prompt.go", "path.go", "client.go", "request.go", "response.go", "redact.go", "json.go", "event.go", "eventsource.go"}

func main() {
	list := flag.Bool("list", false, "list the mutants, and run nothing")
	at := flag.String("at", "", "run those alone whose position begins with `file:line`")
	timeout := flag.Duration("timeout", 15*time.Second, "without a word from a mutant's tests, after which it counts as noticed: many times as long as one of them takes")
	workers := flag.Int("j", runtime.NumCPU(), "mutants at a time")
	flag.Parse()
	if flag.NArg() > 0 {
		files = flag.Args()
	}
	var all []mutant
	for _, file := range files {
		some, err := mutants(file)
		if err != nil {
			fatal(err)
		}
		for _, m := range some {
			if strings.HasPrefix(m.String(), *at) {
				all = append(all, m)
			}
		}
	}
	if *list {
		for _, m := range all {
			fmt.Println(m)
		}
		return
	}
	if err := run(all, *workers, *timeout); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "mutate:", err)
	os.Exit(1)
}

// verdict is what became of a mutant.
type verdict int

const (
	noticed verdict = iota
	survived
	endless // one of its tests ran into the timeout
	invalid // it does not compile
)

// run tries the mutants, prints those that survive or do not end, and the counts.
func run(all []mutant, workers int, timeout time.Duration) error {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var (
		mu     sync.Mutex
		counts [4]int
		failed error
		wg     sync.WaitGroup
	)
	todo := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range todo {
				v, err := try(all[i], filepath.Join(dir, fmt.Sprint(i)), timeout)
				mu.Lock()
				counts[v]++
				if err != nil {
					failed = err
				}
				switch v {
				case survived:
					fmt.Println("survived:", all[i])
				case endless:
					fmt.Println("endless:", all[i])
				}
				mu.Unlock()
			}
		})
	}
	for i := range all {
		todo <- i
	}
	close(todo)
	wg.Wait()
	caught := counts[noticed] + counts[endless]
	tried := caught + counts[survived]
	fmt.Printf("%d mutants, and %d that do not compile; noticed %d, %d of them by the timeout: %.1f %%\n",
		tried, counts[invalid], caught, counts[endless], 100*float64(caught)/float64(max(tried, 1)))
	return failed
}

// try builds the tests with a mutant in the place of its file, and runs them.
func try(m mutant, dir string, timeout time.Duration) (verdict, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	original, err := filepath.Abs(m.file)
	if err != nil {
		return 0, err
	}
	changed, overlay, binary := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "tests")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(changed, m.source(), 0o600); err != nil {
		return 0, err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return 0, err
	}
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		if bytes.Contains(out, []byte("build failed")) || bytes.Contains(out, []byte(changed)) || bytes.Contains(out, []byte("# github.com")) {
			return invalid, nil
		}
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	silence := time.AfterFunc(timeout, cancel)
	defer silence.Stop()
	tests := exec.CommandContext(ctx, binary, "-test.failfast", "-test.v", "-chaos", "50", "-flat", "4")
	tests.Stdout = writerFunc(func(p []byte) (int, error) {
		silence.Reset(timeout)
		return len(p), nil
	})
	err = tests.Run()
	switch {
	case err == nil:
		return survived, nil
	case ctx.Err() != nil:
		return endless, nil
	}
	return noticed, nil
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
