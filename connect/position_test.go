package connect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/require"
)

// TestTornPosition: a write that a crash cuts short, at whatever byte, loses one step.
func TestTornPosition(t *testing.T) {
	f := newFeed(t, 4)
	f.last, f.hold = 4, true
	dir := t.TempDir()
	input := fmt.Sprintf("sse: { url: %q, position: { cache: positions, key: k } }", f.URL)
	whole := map[string]string{"k.1": `{"n":41,"id":"2"}`, "k.0": `{"n":42,"id":"3"}`}
	for torn := range len(whole["k.0"]) {
		for name, value := range whole {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600))
		}
		require.NoError(t, os.Truncate(filepath.Join(dir, "k.0"), int64(torn)))
		p := start(t, input, fileCache(dir), nil)
		p.await(2)
		p.stop()
		require.Equal(t, events(3, 4), p.data())
		require.Equal(t, "4", storedID(t, dir, "k"))
	}

	// The first write of all: nothing had been stored.
	require.NoError(t, os.Remove(filepath.Join(dir, "k.0")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "k.1"), []byte(`{"n":1`), 0o600))
	p := start(t, input, fileCache(dir), nil)
	p.await(4)
	p.stop()
	require.Equal(t, events(1, 4), p.data())
}

// TestForeignPosition: what is no position is neither used nor overwritten.
func TestForeignPosition(t *testing.T) {
	for _, value := range []string{"hello", "17", `{"id":"3"}`, `{"n":1,"id":"3","more":true}`, "\x00\x00\x00"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "k.1"), []byte(value), 0o600))
		f := newFeed(t, 4)
		p := start(t, fmt.Sprintf("sse: { url: %q, position: { cache: positions, key: k } }", f.URL), fileCache(dir), nil)
		p.awaitLog("level=ERROR", "Failed to connect", "cache positions has no valid position", "k.1")
		require.NoError(t, p.stream.StopWithin(patience))
		b, err := os.ReadFile(filepath.Join(dir, "k.1"))
		require.NoError(t, err)
		require.Equal(t, value, string(b))
		require.Empty(t, f.requests("/"))
	}
}

// TestUnresumableID: an ID that no header can carry is not stored.
func TestUnresumableID(t *testing.T) {
	f := newFeed(t, 3)
	f.format = func(n int) string {
		return fmt.Sprintf("id: %s\ndata: event %d\n\n", []string{"", "good", "not\x01good", strings.Repeat("x", 9<<10)}[n], n)
	}
	dir := t.TempDir()
	p := start(t, fmt.Sprintf("sse: { url: %q, position: { cache: positions, key: k } }", f.URL), fileCache(dir), nil)
	p.await(3)
	p.stop()
	require.Equal(t, "not\x01good", p.all()[1].meta["sse_id"])
	require.Equal(t, "good", storedID(t, dir, "k"))
}

// TestEmptyID: an empty ID removes the position.
func TestEmptyID(t *testing.T) {
	f := newFeed(t, 2)
	f.format = func(n int) string { return []string{"", "id: 1\ndata\n\n", "id\ndata\n\n"}[n] }
	dir := t.TempDir()
	input := fmt.Sprintf("sse: { url: %q, last_event_id: \"0\", position: { cache: positions, key: k } }", f.URL)
	for range 2 {
		p := start(t, input, fileCache(dir), nil)
		p.await(2)
		p.stop()
	}
	require.Equal(t, []string{"0", ""}, f.requests("/"), "the stored position counts, although it is empty")
}

// flaky is a cache whose writes fail while it is broken.
type flaky struct {
	service.Cache
	broken atomic.Bool
}

var (
	errBroken  = errors.New("the cache is broken")
	flakyCache = &flaky{}
)

func (f *flaky) Get(context.Context, string) ([]byte, error) { return nil, service.ErrKeyNotFound }

func (f *flaky) Set(context.Context, string, []byte, *time.Duration) error {
	if f.broken.Load() {
		return errBroken
	}
	return nil
}

func (f *flaky) Close(context.Context) error { return nil }

func init() {
	service.MustRegisterCache("flaky", service.NewConfigSpec(), func(*service.ParsedConfig, *service.Resources) (service.Cache, error) {
		return flakyCache, nil
	})
}

// TestBrokenCache: while the position cannot be stored, no more than checkpoint_limit events
// are read, and the log and a metric say why.
func TestBrokenCache(t *testing.T) {
	f := newFeed(t, 100)
	flakyCache.broken.Store(true)
	p := start(t, fmt.Sprintf("sse: { url: %q, checkpoint_limit: 10, position: { cache: flaky } }", f.URL),
		"cache_resources: [ { label: flaky, flaky: {} } ]", nil)
	p.await(10)
	p.awaitLog("level=ERROR", "cannot store the position", "cache flaky", "the cache is broken")
	time.Sleep(100 * time.Millisecond)
	require.Len(t, p.all(), 10)
	require.Positive(t, counts.get("sse_position_errors", f.URL))
	flakyCache.broken.Store(false)
	p.await(100)
	p.stop()
	require.Equal(t, events(1, 100), p.data())
}
