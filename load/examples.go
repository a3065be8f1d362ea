package load

import (
	"fmt"
	"sync"
)

const (
	maxExamples     = 10
	examplesPerKind = 4 // so that one kind of fault does not hide the others
)

// examples are faults in the sequence of a stream. There is nothing in their texts that is the server's,
// but for numbers.
type examples struct {
	mu    sync.Mutex
	texts []string
	kinds [again + 1]int
}

func (e *examples) note(stream int, what order, last, n int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.texts) >= maxExamples || e.kinds[what] >= examplesPerKind {
		return
	}
	e.kinds[what]++
	text := fmt.Sprintf("stream %d read %d after %d", stream, n, last)
	switch what {
	case belated:
		text = fmt.Sprintf("stream %d read %d for the first time when it had read %d", stream, n, last)
	case again:
		text = fmt.Sprintf("stream %d read %d again when it had read %d", stream, n, last)
	}
	e.texts = append(e.texts, text)
}

func (e *examples) stalled(stream int, at, others int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.texts) >= maxExamples || e.kinds[inOrder] >= examplesPerKind {
		return
	}
	e.kinds[inOrder]++
	e.texts = append(e.texts, fmt.Sprintf("stream %d stayed at %d when others had read %d", stream, at, others))
}

func (e *examples) list() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string{}, e.texts...)
}
