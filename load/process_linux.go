package load

import (
	"bytes"
	"os"
	"strconv"
)

// residentMemory returns the memory of this process that is in RAM, in bytes; 0 if it is not known.
func residentMemory() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
