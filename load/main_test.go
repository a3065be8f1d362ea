package load_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// TestMain runs the tests, or one of the processes that a test starts.
func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv("IDLE_SERVER") != "":
		err = idleServer(os.Getenv("IDLE_SERVER"))
	case os.Getenv("IDLE_CLIENT") != "":
		err = idleClient(os.Getenv("IDLE_CLIENT"))
	default:
		code := m.Run()
		if code == 0 {
			code = leaks()
		}
		os.Exit(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// leaks returns the exit code of tests that have passed: 1 if they left goroutines behind.
func leaks() int {
	for range 100 {
		if runtime.NumGoroutine() <= 2 { // this one, and the one for signals
			return 0
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, "goroutines are left:")
	_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
	return 1
}
