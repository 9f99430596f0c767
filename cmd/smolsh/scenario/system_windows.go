package scenario

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// mapPage maps the first positionSize octets of a file, shared with other processes that map it.
func mapPage(f *os.File) ([]byte, error) {
	mapping, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READWRITE, 0, positionSize, nil)
	if err != nil {
		return nil, err
	}
	defer windows.CloseHandle(mapping) // the view keeps the mapping
	at, err := windows.MapViewOfFile(mapping, windows.FILE_MAP_READ|windows.FILE_MAP_WRITE, 0, 0, positionSize)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), positionSize), nil
}

// unmapPage ends a mapping of mapPage.
func unmapPage(page []byte) { _ = windows.UnmapViewOfFile(uintptr(unsafe.Pointer(&page[0]))) }

// lockFile waits until no other process has the file locked, and locks it until it is closed.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &windows.Overlapped{})
}
