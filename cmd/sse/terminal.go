package main

import "os"

// isTerminal reports whether f is a terminal, or at least a device.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// wantsColors reports whether the environment leaves colours on (no-color.org).
func wantsColors() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Select Graphic Rendition, as every terminal knows it.
const (
	plain  = "\x1b[0m"
	faint  = "\x1b[2m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"

	eraseLine = "\r\x1b[K"
)
