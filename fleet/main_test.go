package fleet

import (
	"os"
	"testing"
)

// The test program is also each process that its tests start.
func TestMain(m *testing.M) {
	switch os.Getenv("FLEET_ROLE") {
	case "member":
		os.Exit(memberProcess())
	case "bare":
		os.Exit(bareProcess())
	case "node":
		os.Exit(nodeProcess())
	}
	os.Exit(m.Run())
}
