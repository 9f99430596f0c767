//go:build !linux

package script

import (
	"errors"
	"os/exec"
	"syscall"
)

func reap() {}

// AdoptCommands does nothing here.
func AdoptCommands() {}

// EndCommands does nothing: background processes of commands stay.
func EndCommands() {}

// childAttr refuses, because nothing here would end a program with the script.
func childAttr() (*syscall.SysProcAttr, error) { return nil, errors.New("programs run on Linux only") }

func startOwn(cmd *exec.Cmd) error { return cmd.Start() }

func disown(int)                          {}
func awaitExit(int)                       {}
func signalGroup(int, syscall.Signal)     {}
func signalMarked(string, syscall.Signal) {}
func killMarked(string)                   {}
func endMarked(string)                    {}
