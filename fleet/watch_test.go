package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// unwatchable is a bucket that cannot be watched.
type unwatchable struct {
	jetstream.KeyValue
	err   error
	calls int
}

func (k *unwatchable) WatchFiltered(context.Context, []string, ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	k.calls++
	return nil, k.err
}

func (k *unwatchable) Status(context.Context) (jetstream.KeyValueStatus, error) { return nil, nil }

// TestWatchWaits: a bucket that cannot be watched is tried again, less and less often; not
// within a second if only a person can change that.
func TestWatchWaits(t *testing.T) {
	watch := func(err error) (tries int, reported []TroubleInfo) {
		synctest.Test(t, func(t *testing.T) {
			kv := &unwatchable{err: err}
			m := stillMember(t, testView())
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			m.session.ctx, m.kv = ctx, testStore(kv)
			m.kv.trouble = func(info TroubleInfo) { reported = append(reported, info) }
			m.watch()
			tries = kv.calls
		})
		return tries, reported
	}
	tries, reported := watch(errors.New("no watch"))
	require.InDelta(t, 17, tries, 10, "waits from 100 ms to 5 s, a half longer or shorter at random")
	require.Len(t, reported, tries)
	require.Less(t, reported[0].Delay, 200*time.Millisecond)
	require.Greater(t, longest(reported), 2*time.Second)

	_, reported = watch(nats.ErrPermissionViolation)
	for _, info := range reported {
		require.GreaterOrEqual(t, info.Delay, time.Second)
	}
}
