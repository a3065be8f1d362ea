//go:build !unix

package bench

import "time"

// cpuTime is not known here: ratios of it are NaN.
func cpuTime() time.Duration { return 0 }
