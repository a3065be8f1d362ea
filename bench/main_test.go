package bench

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	RunRole()
	os.Exit(m.Run())
}
