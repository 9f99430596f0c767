package scenario

import (
	"os"

	"golang.org/x/sys/unix"
)

// sharedFile returns an empty file in memory, so that no writable folder is needed.
func sharedFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("smolsh-position", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "smolsh-position"), nil
}
