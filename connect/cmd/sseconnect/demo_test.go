//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDemo(t *testing.T) {
	dir := t.TempDir()
	p := command(t.Context(), []string{"DEMO_DIR=" + dir}, "-c", "demo.yaml")
	require.NoError(t, p.Run(), &p.output)
	require.Contains(t, p.output.String(), "\n80 events over 6 connections: 0 lost and 0 repeated in the files, 0 lost in NATS JetStream; see "+dir+"\n")
}

// TestDemoContinues: stopped by a signal and started again, it continues where it was.
func TestDemoContinues(t *testing.T) {
	dir := t.TempDir()
	p := command(t.Context(), []string{"DEMO_DIR=" + dir}, "-c", "demo.yaml")
	require.NoError(t, p.Start())
	for deadline := time.Now().Add(time.Minute); lines(dir, "orders")+lines(dir, "prices") < 20; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), &p.output)
	}
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.Wait(), &p.output)
	before := lines(dir, "orders") + lines(dir, "prices")
	require.Contains(t, p.output.String(), fmt.Sprintf("stopped after %d of 80 events", before))

	p = command(t.Context(), []string{"DEMO_DIR=" + dir}, "-c", "demo.yaml")
	require.NoError(t, p.Run(), &p.output)
	require.Contains(t, p.output.String(), ": 0 lost and 0 repeated in the files, 0 lost in NATS JetStream")
}

func lines(dir, topic string) int {
	f, err := os.Open(filepath.Join(dir, topic+".jsonl"))
	if err != nil {
		return 0
	}
	defer f.Close()
	b, _ := io.ReadAll(f)
	return strings.Count(string(b), "\n")
}
