//go:build !unix

package main

import (
	"os"
	"syscall"
)

func stopSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// ignoreBrokenPipes has nothing to do where there is no such signal.
func ignoreBrokenPipes() {}
