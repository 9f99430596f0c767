//go:build !linux

package scenario

import "os"

// sharedFile returns an empty file that has no name.
func sharedFile() (*os.File, error) {
	f, err := os.CreateTemp("", "smolsh-position-*")
	if err == nil {
		_ = os.Remove(f.Name())
	}
	return f, err
}
