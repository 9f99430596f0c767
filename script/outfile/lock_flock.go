//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const (
	// lockWait is the time that open waits for another process to finish a file, so that writers which end by themselves seldom meet.
	lockWait = 200 * time.Millisecond
	// lockRetry is the time between two attempts to lock a file.
	lockRetry = 10 * time.Millisecond
)

// lock takes an advisory lock on a file for as long as it is open, or until unlock. Writers that append share the lock. The result is
// false if another process has the file locked. A file system without locks refuses nobody.
func lock(f *os.File, shared bool) bool {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	for until := time.Now().Add(lockWait); ; time.Sleep(lockRetry) {
		if !errors.Is(flock(f, how|syscall.LOCK_NB), syscall.EWOULDBLOCK) {
			return true
		}
		if time.Now().After(until) {
			return false
		}
	}
}

// unlock gives up a file's lock. It does nothing for a file that is closed.
func unlock(f *os.File) { _ = flock(f, syscall.LOCK_UN) }

func flock(f *os.File, how int) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := c.Control(func(fd uintptr) { err = syscall.Flock(int(fd), how) }); cerr != nil {
		return cerr
	}
	return err
}

// inodeOf returns the number of a file's inode.
func inodeOf(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint(st.Ino)
	}
	return ""
}
