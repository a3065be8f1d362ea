package connect

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/require"
)

// A testInput is an input without a pipeline: the test reads and acknowledges.
type testInput struct {
	*input
	t   *testing.T
	log *logBuffer
}

func newTestInput(t *testing.T, yaml string) *testInput {
	t.Helper()
	p, err := spec().ParseYAML(yaml, nil)
	require.NoError(t, err)
	log := new(logBuffer)
	r := service.MockResources(service.MockResourcesOptAddCache("positions"),
		service.MockResourcesOptUseLogger(service.NewLoggerFromSlog(slog.New(slog.NewTextHandler(log, nil)))))
	in, err := newInput(p, r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = in.Close(context.Background()) })
	return &testInput{in, t, log}
}

// read returns the next message and what acknowledges it.
func (in *testInput) read() (*service.Message, func()) {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), patience)
	defer cancel()
	m, ack, err := in.Read(ctx)
	require.NoError(in.t, err)
	return m, func() { require.NoError(in.t, ack(context.Background(), nil)) }
}

// readNothing fails if there is a message now.
func (in *testInput) readNothing() {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), 200*time.Millisecond)
	defer cancel()
	_, _, err := in.Read(ctx)
	require.ErrorIs(in.t, err, context.DeadlineExceeded)
}

// startWith runs a pipeline from a whole configuration.
func startWith(t *testing.T, config string) *pipeline {
	t.Helper()
	p := &pipeline{t: t, log: new(logBuffer), ended: make(chan error, 1)}
	b := service.NewStreamBuilder()
	require.NoError(t, b.SetYAML(config))
	b.SetLogger(slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	require.NoError(t, b.SetMetricsYAML("counted: {}"))
	var err error
	p.stream, err = b.Build()
	require.NoError(t, err)
	go func() { p.ended <- p.stream.Run(context.Background()) }()
	t.Cleanup(func() { _ = p.stream.StopWithin(2 * time.Second) })
	return p
}

func newServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// storedID returns the position that a file cache has.
func storedID(t *testing.T, dir, key string) string {
	t.Helper()
	var last position
	for _, suffix := range []string{".0", ".1"} {
		b, err := os.ReadFile(filepath.Join(dir, key+suffix))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		var p position
		if json.Unmarshal(b, &p) == nil && p.N > last.N { // otherwise it is being written
			last = p
		}
	}
	return last.ID
}
