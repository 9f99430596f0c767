//go:build linux

package capture

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/phy"
)

// TestSlowReader: a FIFO whose reader does not read never delays the writer. Its buffer is bounded, and the file fails.
func TestSlowReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo.pcapng")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	reader := os.NewFile(uintptr(fd), path)
	w, err := Create(path, epoch)
	if err != nil {
		t.Fatal(err)
	}
	i, err := w.AddIface("eth0", phy.MediumEthernet, 0)
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for ; err == nil && written < 10*maxFeed; written += 1000 {
		err = w.Write(&Packet{Iface: i, Data: make([]byte, 1000)})
	}
	if !errors.Is(err, ErrSlow) || written < maxFeed/2 {
		t.Errorf("after %d octets: %v", written, err)
	}
	if err := w.Close(); !errors.Is(err, ErrSlow) {
		t.Errorf("closed with %v", err)
	}
	reader.Close() // ends the write that blocks
	<-w.Ended()
	if err := w.Close(); err != ErrClosed {
		t.Errorf("closed again with %v", err)
	}
}

func TestRegularFileEndsAtOnce(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "x.pcapng"), epoch)
	if err == nil {
		err = w.Close()
	}
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	<-w.Ended()
}
