package main

import (
	"os/exec"
	"syscall"
)

// apart gives a worker a process group of its own, so that the keyboard's Ctrl-C reaches the runner alone.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
