package ssetest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// A FakeTB is a test that may fail.
type FakeTB struct {
	testing.TB
	mu       sync.Mutex
	messages []string
	cleanups []func()
}

// NewFakeTB returns a FakeTB that ends with t, at the latest.
func NewFakeTB(t testing.TB) *FakeTB {
	f := &FakeTB{TB: t}
	t.Cleanup(f.End)
	return f
}

func (f *FakeTB) Helper()              {}
func (f *FakeTB) Logf(string, ...any)  {}
func (f *FakeTB) Skipf(string, ...any) { runtime.Goexit() }

func (f *FakeTB) Cleanup(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cleanups = append(f.cleanups, fn)
}

func (f *FakeTB) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, fmt.Sprintf(format, args...))
}

func (f *FakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// Run runs a part of the test, on a goroutine of its own, which Fatalf may end.
func (f *FakeTB) Run(part func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		part()
	}()
	<-done
}

// End ends the test.
func (f *FakeTB) End() {
	f.mu.Lock()
	cleanups := f.cleanups
	f.cleanups = nil
	f.mu.Unlock()
	for _, cleanup := range slices.Backward(cleanups) {
		cleanup()
	}
}

// Messages returns what the test has failed with, and forgets it.
func (f *FakeTB) Messages() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	messages := f.messages
	f.messages = nil
	return messages
}

// First takes the first of what the test has failed with, "" if it has not.
func (f *FakeTB) First() (message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.messages) > 0 {
		message, f.messages = f.messages[0], f.messages[1:]
	}
	return message
}
