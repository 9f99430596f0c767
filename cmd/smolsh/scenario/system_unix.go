//go:build unix

package scenario

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapPage maps the first positionSize octets of a file, shared with other processes that map it.
func mapPage(f *os.File) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, positionSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// unmapPage ends a mapping of mapPage.
func unmapPage(page []byte) { _ = unix.Munmap(page) }

// lockFile waits until no other process has the file locked, and locks it until it is closed.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX) }
