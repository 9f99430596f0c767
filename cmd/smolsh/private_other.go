//go:build !linux || portable

package main

import (
	"os"

	"smolsh/cmd/smolsh/doctor"
)

// insidePrivate returns false, because there are no network namespaces on this system.
func insidePrivate() (inside bool, report *os.File) { return false, nil }

// enterPrivate returns the reason why there is no private lab.
func enterPrivate() (status int, ran bool, why *doctor.Obstacle) {
	return 0, false, doctor.OnlyLinux("the private lab")
}

// insideObstacle returns nil, because no process is inside a namespace.
func insideObstacle(error) *doctor.Obstacle { return nil }

// self returns the path of the program's own file.
func self() string {
	path, _ := os.Executable()
	return path
}
