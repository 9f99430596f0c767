package outfile

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lockedElsewhere is the error for a file that another process writes.
type lockedElsewhere struct {
	pid  int    // process id, 0 if unknown
	path string // the other process's path of the file, "" if unknown
}

// Error names the process and its path of the file, where they are known.
func (e *lockedElsewhere) Error() string {
	switch {
	case e.pid == 0:
		return "another process writes this file; wait for its end"
	case e.path == "":
		return fmt.Sprintf("process %d writes this file; wait for its end", e.pid)
	}
	return fmt.Sprintf("process %d writes this file as %s; wait for its end", e.pid, e.path)
}

// locker finds the process that has locked the file info, in Linux's /proc. On another system, or for a process of another user, it
// knows less.
func locker(info fs.FileInfo) *lockedElsewhere {
	e := &lockedElsewhere{}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return e
	}
	defer locks.Close()
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 708 08:02:1234 0 EOF
		words := strings.Fields(lines.Text())
		if len(words) < 6 || words[1] != "FLOCK" {
			continue
		}
		_, inode, _ := strings.Cut(words[5], ":")
		if _, inode, _ = strings.Cut(inode, ":"); inode != inodeOf(info) {
			continue
		}
		pid, err := strconv.Atoi(words[4])
		if err != nil || pid <= 0 {
			continue
		}
		if path := pathIn(pid, info); path != "" {
			return &lockedElsewhere{pid, path}
		}
		e.pid = pid
	}
	return e
}

// pathIn returns the path by which a process has a file open, "" if that is unknown.
func pathIn(pid int, info fs.FileInfo) string {
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range open {
		if other, err := os.Stat(fd); err == nil && os.SameFile(other, info) {
			path, _ := os.Readlink(fd)
			return path
		}
	}
	return ""
}
