//go:build !unix

package conform

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup kills a command. What it has started is not known on this system.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
