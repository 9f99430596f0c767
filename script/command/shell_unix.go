//go:build unix

package command

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// shell returns the command that runs a line of the prompt.
func shell(line string) *exec.Cmd { return exec.Command("/bin/sh", "-c", line) }

// separate gives a command a process group of its own.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalNumber returns the signal of a name such as SIGTERM, 0 if there is none.
func signalNumber(name string) syscall.Signal { return unix.SignalNum(name) }

// signalName returns the name of a signal, "" if the number is no signal's.
func signalName(sig syscall.Signal) string { return unix.SignalName(sig) }
