//go:build !linux

package load

// residentMemory returns 0, since it is not known.
func residentMemory() int64 { return 0 }
