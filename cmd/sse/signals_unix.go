//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// stopSignals returns the signals that end the command in order. Those that were ignored
// from the start, as by nohup, stay ignored.
func stopSignals() (signals []os.Signal) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) {
			signals = append(signals, sig)
		}
	}
	return signals
}

// ignoreBrokenPipes makes writes to a pipe that nobody reads fail, where the signal would
// kill: the command still has a summary to print and a position to save.
func ignoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }
