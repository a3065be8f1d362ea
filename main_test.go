package sse_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// TestMain fails when a goroutine is left over: a leak is a failure.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	if runtime.GOOS == "js" {
		before++ // the one that hands the events of JavaScript to Go
	}
	code := m.Run()
	fuzzing := flag.Lookup("test.fuzz").Value.String() != "" // which keeps a goroutine for signals
	if code == 0 && !fuzzing && !settles(before) {
		fmt.Fprintln(os.Stderr, "goroutines were left behind:")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// settles waits for the goroutines that are on their way out.
func settles(want int) bool {
	for range 100 {
		if runtime.NumGoroutine() <= want {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}
