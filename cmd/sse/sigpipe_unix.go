//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreBrokenPipes has writes to a pipe that nobody reads fail, where the signal would
// kill: the command has a summary to give yet.
func ignoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }
