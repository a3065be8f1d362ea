package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain makes this program sseconnect itself, if a test has started it as that.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_SSECONNECT") != "" {
		main()
	}
	os.Exit(m.Run())
}

// A process is sseconnect in a process of its own.
type process struct {
	*exec.Cmd
	output bytes.Buffer
}

func command(ctx context.Context, env []string, args ...string) *process {
	p := &process{Cmd: exec.CommandContext(ctx, os.Args[0], args...)}
	p.Dir = "../.." // where demo.yaml is
	p.Env = append(append(os.Environ(), "TEST_SSECONNECT=1"), env...)
	p.Stdout, p.Stderr = &p.output, &p.output
	return p
}

func TestLint(t *testing.T) {
	p := command(t.Context(), []string{"DEMO_DIR=" + t.TempDir()}, "lint", "demo.yaml")
	require.NoError(t, p.Run(), &p.output)
	require.Empty(t, p.output.String())
	p = command(t.Context(), nil, "list", "inputs")
	require.NoError(t, p.Run())
	require.Contains(t, p.output.String(), "- sse\n")
}
