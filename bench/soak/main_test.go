package main

import (
	"os"
	"slices"
	"testing"
	"time"
)

// TestMain is the server, too, which the soak starts.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-serve") {
		if err := runServer(); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestSoak is a short one: what it shows is that the program works, and loses nothing. Its
// footprints are too small to be compared.
func TestSoak(t *testing.T) {
	if err := soak(50, 3*time.Second, time.Second); err != nil && err != errGrown {
		t.Error(err)
	}
}

func TestGrown(t *testing.T) {
	start := footprint{heap: 100, goroutines: 100, sockets: 100}
	for _, test := range []struct {
		end  footprint
		want bool
	}{
		{footprint{105, 105, 105}, false}, {footprint{106, 100, 100}, true}, {footprint{100, 106, 100}, true}, {footprint{100, 100, 106}, true}, {footprint{50, 50, 50}, false},
	} {
		if got := test.end.grown(start); got != test.want {
			t.Errorf("%v: %v", test.end, got)
		}
	}
}
