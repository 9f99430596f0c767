//go:build !portable

package scenario

import (
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// sharedFile returns an empty file in memory, so that no writable folder is needed. It has no path.
func sharedFile() (f *os.File, path string, err error) {
	fd, err := unix.MemfdCreate("smolsh-position", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, "", err
	}
	return os.NewFile(uintptr(fd), "smolsh-position"), "", nil
}

// carry gives a worker's command its files. What the worker writes to its outputs goes to said.
func carry(cmd *exec.Cmd, requests, replies, page *os.File, said *head) {
	cmd.Stdout, cmd.Stderr = said, said
	cmd.ExtraFiles = []*os.File{requests, replies, page}
}

// WorkerFiles returns, in a worker process, the files that the runner passed to it. Programs that the worker starts do not inherit
// them. The error is always nil.
func WorkerFiles() (requests, replies, page *os.File, err error) {
	const first = 3 // file descriptor of the first of exec.Cmd's ExtraFiles
	for fd := range 3 {
		unix.CloseOnExec(first + fd)
	}
	return os.NewFile(first, "requests"), os.NewFile(first+1, "replies"), os.NewFile(first+2, "position"), nil
}
