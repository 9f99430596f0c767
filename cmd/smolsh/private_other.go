//go:build !linux

package main

import "os"

// insidePrivate is never true: there are no network namespaces here.
func insidePrivate() (inside bool, report *os.File) { return false, nil }

// enterPrivate says why not.
func enterPrivate() (status int, ran bool, why *obstacle) {
	return 0, false, &obstacle{"the private lab needs Linux", "--device sim and --device loopback are everywhere"}
}

func insideObstacle(error) *obstacle { return nil }
