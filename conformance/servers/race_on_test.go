//go:build race

package servers

// race says that the race detector is on.
const race = true
