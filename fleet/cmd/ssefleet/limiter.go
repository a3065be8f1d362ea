package main

import (
	"sync"
	"time"
)

// logEvery is how often the same kind of failure is logged: thousands of streams fail at once.
const logEvery = 10 * time.Second

// A limiter lets one of each kind pass in logEvery, and counts the others.
type limiter struct {
	mu     sync.Mutex
	passed map[string]time.Time
	held   map[string]int
}

func newLimiter() *limiter {
	return &limiter{passed: make(map[string]time.Time), held: make(map[string]int)}
}

// pass reports whether one of a kind may pass, and how many were held back since the last.
func (l *limiter) pass(kind string) (held int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.passed[kind]; ok && time.Since(last) < logEvery {
		l.held[kind]++
		return 0, false
	}
	held = l.held[kind]
	l.passed[kind], l.held[kind] = time.Now(), 0
	return held, true
}
