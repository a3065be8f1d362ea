package ssetest

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestServerForgets: connections that are closed, and its test when that has ended.
func TestServerForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFakeTB(t)
		s := NewScriptedServer(f)
		require.Equal(t, []*Server{s}, serversOf(f))
		open := func() int {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.conns)
		}
		resp, err := s.Client().Get(s.URL())
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 1, open())
		s.transport.CloseIdleConnections()
		require.Zero(t, open())
		f.End()
		require.Empty(t, serversOf(f))
	})
}
