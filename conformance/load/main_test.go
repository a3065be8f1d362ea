package load_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/lastevent/sse/conformance/internal/table"
)

var (
	streams    = flag.Int("streams", 100, "how many to open on each server")
	writeTable = flag.Bool("table", false, "write the table in README.md")
)

// TestMain runs the tests, or one of the servers that are processes of their own.
func TestMain(m *testing.M) {
	flag.Parse()
	if name := os.Getenv("SERVER"); name != "" {
		fmt.Fprintln(os.Stderr, serve(name, os.Getenv("SERVER_ADDR"), os.Getenv("SERVER_LOG")))
		os.Exit(1)
	}
	code := m.Run()
	if *writeTable && code == 0 {
		if err := table.Write("load", header, rows); err != nil {
			fmt.Fprintln(os.Stderr, "the table in README.md:", err)
			code = 1
		}
	}
	os.Exit(code)
}
