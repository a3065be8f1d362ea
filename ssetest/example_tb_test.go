package ssetest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// An exampleT stands for the *testing.T of a test, which an example does not have. It prints
// how the test fails.
type exampleT struct {
	testing.TB
	ctx      context.Context
	cancel   context.CancelFunc
	cleanups []func()
}

func begin() *exampleT {
	t := new(exampleT)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// end does what the end of a test does.
func (t *exampleT) end() {
	t.cancel()
	for _, cleanup := range slices.Backward(t.cleanups) {
		cleanup()
	}
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Context() context.Context          { return t.ctx }
func (t *exampleT) Cleanup(cleanup func())            { t.cleanups = append(t.cleanups, cleanup) }
func (t *exampleT) Errorf(format string, args ...any) { fmt.Printf("FAIL: "+format+"\n", args...) }
func (t *exampleT) Fatalf(format string, args ...any) { t.Errorf(format, args...) }
