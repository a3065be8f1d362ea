package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// buffered returns how much is in a pipe.
func buffered(t testing.TB, r *os.File) int {
	conn, err := r.SyscallConn()
	require.NoError(t, err)
	n := 0
	require.NoError(t, conn.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), fionread) }))
	require.NoError(t, err)
	return n
}
