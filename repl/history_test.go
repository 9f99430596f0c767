//go:build unix

package repl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOddHistory: if the history is a FIFO, a folder, an endless device, or has overlong lines, the shell starts, prints one line
// about it, and works.
func TestOddHistory(t *testing.T) {
	long := strings.Repeat("x", 10<<20)
	for _, c := range []struct {
		name string
		make func(path string) error
		said string
	}{
		{"fifo", func(p string) error { return unix.Mkfifo(p, 0o600) }, "is no regular file"},
		{"folder", func(p string) error { return os.Mkdir(p, 0o700) }, "is no regular file"},
		{"device", func(p string) error { return os.Symlink("/dev/zero", p) }, "is no regular file"},
		{"line", func(p string) error { return os.WriteFile(p, []byte("a = 7\n"+long+"\n"+long+"\nb = 8\n"+long), 0o600) }, "are left out: 3"},
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "smolsh"), 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "smolsh", "history")
		if err := c.make(path); err != nil {
			t.Fatal(err)
		}
		x := start(t, "virtual", 200, "XDG_STATE_HOME="+dir)
		x.has("history: ")
		x.has(c.said)
		x.what("1 + 2", "3\n")
		x.what("2 + 2", "4\n")
		x.what(up+up, "3\n")
		if c.name == "line" {
			x.line(up + up + up + up)
			x.what("b", "8\n")
		}
		x.keys(ctrlD)
		x.exits(0)
	}
}

// TestHugeHistory: a history of any size is read in bounded memory, from its end.
func TestHugeHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	f, err := os.Create(path)
	if err == nil {
		err = f.Truncate(1 << 40) // makes a sparse file
	}
	if err == nil {
		_, err = f.WriteAt([]byte("\nlast = 1\n"), 1<<40)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	done := make(chan *history, 1)
	go func() {
		h, _ := loadHistory(path)
		done <- h
	}()
	select {
	case h := <-done:
		if len(h.entries) != 1 || h.entries[0] != "last = 1" {
			t.Errorf("has %d entries", len(h.entries))
		}
	case <-time.After(patience):
		t.Fatal("not read")
	}
}
