package scenario

import (
	"os"

	"golang.org/x/sys/unix"
)

// sharedFile returns an empty file in memory, which needs no folder that can be written to.
func sharedFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("smolsh-position", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "smolsh-position"), nil
}
