//go:build !linux

package main

import (
	"os"
	"os/exec"
	"syscall"

	"smolsh/cmd/smolsh/doctor"
)

// insidePrivate returns false, because there are no network namespaces on this system.
func insidePrivate() (inside bool, report *os.File) { return false, nil }

// enterPrivate returns the reason why there is no private lab.
func enterPrivate() (status int, ran bool, why *doctor.Obstacle) {
	return 0, false, &doctor.Obstacle{Why: "the private lab needs Linux", Cure: "--device sim and --device loopback are everywhere"}
}

func insideObstacle(error) *doctor.Obstacle { return nil }

// self returns the path of the program's own file.
func self() string {
	path, _ := os.Executable()
	return path
}

// apart gives a worker a process group of its own, so that the keyboard's signals reach the runner alone.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
