package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// unwatchable is a bucket that cannot be watched.
type unwatchable struct {
	jetstream.KeyValue
	calls int
}

func (k *unwatchable) WatchFiltered(context.Context, []string, ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	k.calls++
	return nil, errors.New("no watch")
}

func (k *unwatchable) Status(context.Context) (jetstream.KeyValueStatus, error) { return nil, nil }

// TestWatchWaits: a bucket that cannot be watched is tried again, less and less often.
func TestWatchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := new(unwatchable)
		m := stillMember(t, testView())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var reported []TroubleInfo
		m.session.ctx, m.kv = ctx, testStore(kv)
		m.kv.trouble = func(info TroubleInfo) { reported = append(reported, info) }
		m.watch()
		require.InDelta(t, 17, kv.calls, 10, "waits from 100 ms to 5 s, a half longer or shorter at random")
		require.Len(t, reported, kv.calls)
		require.Less(t, reported[0].Delay, 200*time.Millisecond)
		require.Greater(t, longest(reported), 2*time.Second)
	})
}
