//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// apart gives a worker a process group of its own, so that the keyboard's signals reach the runner alone.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
