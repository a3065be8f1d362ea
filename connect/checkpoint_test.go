package connect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCheckpointRandom: whatever is handled in whatever order, what is saved never passes an
// event that is not handled, no more than limit events are under way or unsaved, and in
// the end the last ID is saved. IDs repeat, are skipped and cannot be carried.
func TestCheckpointRandom(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		const limit = 8
		var mu sync.Mutex
		handled := map[int]bool{}
		var ids []string // of all events, before each is added
		saved, savedAt := "", 0
		check := func(id string) error {
			mu.Lock()
			defer mu.Unlock()
			if rand.N(4) == 0 {
				return errors.New("the cache is away")
			}
			// It is the ID of some event such that all before it are handled.
			for n, other := range ids {
				if other == id {
					savedAt = n
					saved = id
					return nil
				}
				if !handled[n] {
					return fmt.Errorf("seed %d: %q was saved, but event %d is not handled", seed, id, n)
				}
			}
			return fmt.Errorf("seed %d: %q is no ID", seed, id)
		}
		var wrong error
		c := newCheckpoint(limit, "", func(_ context.Context, id string) error {
			err := check(id)
			if err != nil && strings.HasPrefix(err.Error(), "seed") {
				wrong = err
			}
			return err
		}, func(error) {})
		ctx, cancel := context.WithCancel(t.Context())
		var saver sync.WaitGroup
		saver.Go(func() {
			for ctx.Err() == nil { // run, without its waits
				select {
				case <-c.dirty:
					short, cancel := context.WithTimeout(ctx, time.Millisecond)
					if !c.flush(short) {
						select {
						case c.dirty <- struct{}{}:
						default:
						}
					}
					cancel()
				case <-ctx.Done():
				}
			}
		})
		done := map[int]func(){}
		finish := func() {
			for n, f := range done {
				mu.Lock()
				handled[n] = true
				mu.Unlock()
				f()
				if r.IntN(4) == 0 {
					f() // a second call has no effect
				}
				delete(done, n)
				return
			}
		}
		id := ""
		for n := range 60 {
			real := fmt.Sprint(n)
			switch r.IntN(6) {
			case 0:
				real = id // no ID of its own
			case 1:
				real = "control \x01"
			}
			carried := id
			if real != "control \x01" {
				carried = real
			}
			id = carried
			skip := r.IntN(4) == 0
			mu.Lock()
			ids = append(ids, carried)
			handled[n] = skip
			mu.Unlock()
			if skip {
				c.skip(real)
			} else {
				for {
					short, cancel := context.WithTimeout(ctx, time.Millisecond)
					f, err := c.add(short, real)
					cancel()
					if err == nil {
						done[n] = f
						break
					}
					finish()
				}
			}
			require.LessOrEqual(t, len(done), limit)
			require.LessOrEqual(t, len(c.pending), 2*limit+1)
			for r.IntN(3) == 0 {
				finish()
			}
		}
		for len(done) > 0 {
			finish()
		}
		cancel()
		saver.Wait()
		for !c.flush(t.Context()) {
		}
		c.drain(t.Context())
		require.NoError(t, wrong)
		require.Equal(t, id, saved)
		require.GreaterOrEqual(t, savedAt, 0)
		require.Empty(t, c.pending)
	}
}

// TestCheckpointReturns: an ID that comes back while another one is being saved.
func TestCheckpointReturns(t *testing.T) {
	saving, goOn := make(chan string), make(chan struct{})
	c := newCheckpoint(1, "a", func(_ context.Context, id string) error {
		saving <- id
		<-goOn
		return nil
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var saver sync.WaitGroup
	saver.Go(func() { c.run(ctx) })
	done, err := c.add(ctx, "b")
	require.NoError(t, err)
	done()
	require.Equal(t, "b", <-saving)
	c.skip("a")
	goOn <- struct{}{}
	require.Equal(t, "a", <-saving, "the cache has b by now")
	goOn <- struct{}{}
	c.drain(ctx)
	cancel()
	saver.Wait()
}
