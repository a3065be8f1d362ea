package recording

// What a file may have at most, for what writes one: more is not read.
const (
	MaxSize  = maxSize // bytes
	MaxSteps = maxStep
)
