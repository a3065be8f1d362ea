package connect

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails if a goroutine of an input is left when all tests have ended.
func TestMain(m *testing.M) {
	code := m.Run()
	var left string
	for range 100 {
		if left = goroutines(); left == "" {
			os.Exit(code)
		}
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", left)
	os.Exit(1)
}

// goroutines returns those that an input has started.
func goroutines() (left string) {
	buf := make([]byte, 4<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "lastevent/sse/connect.(*input)") || strings.Contains(g, "lastevent/sse/connect.(*stream)") {
			left += g + "\n\n"
		}
	}
	return left
}
