package load_test

import (
	"fmt"
	"os"
	"testing"
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
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
