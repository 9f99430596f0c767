//go:build !linux

package command

import (
	"errors"
	"os/exec"
	"syscall"
)

func reap() {}

// Adopt does nothing on this system.
func Adopt() {}

// End does nothing on this system: background processes of commands stay.
func End() {}

// EndOf does nothing on this system.
func EndOf(int) {}

// childAttr returns an error, because on this system a program would not end with the script.
func childAttr() (*syscall.SysProcAttr, error) { return nil, errors.New("programs run on Linux only") }

// Start starts a process for which the caller must call Wait.
func Start(cmd *exec.Cmd) error { return cmd.Start() }

// Wait waits for the end of a process that Start has started, as cmd.Wait does.
func Wait(cmd *exec.Cmd) error { return cmd.Wait() }

func disown(int)                          {}
func awaitExit(int)                       {}
func signalGroup(int, syscall.Signal)     {}
func signalMarked(string, syscall.Signal) {}
func killMarked(string)                   {}
func endMarked(string)                    {}
