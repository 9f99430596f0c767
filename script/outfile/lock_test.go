//go:build linux

package outfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Two sets are like two processes: a lock belongs to an open file. A second writer is refused with the writer's process and path, and
// leaves the file as it is. Appending writers share a file.
func TestOneWriterOfAllProcesses(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var mine, theirs Set
	f, release, err := mine.Create("a", 0o600, Capture)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("packets"); err != nil {
		t.Fatal(err)
	}
	if err := os.Link("a", "hard"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("process %d writes this file as %s; wait for its end", os.Getpid(), filepath.Join(dir, "a"))
	for _, open := range []func(string, fs.FileMode, string) (*os.File, func(), error){theirs.Create, theirs.Append} {
		if g, _, err := open("hard", 0o600, Capture); g != nil || err == nil || err.Error() != want {
			t.Errorf("%v, %v, want %s", g, err, want)
		}
	}
	if b, _ := os.ReadFile("a"); string(b) != "packets" || theirs.Len() != 0 {
		t.Errorf("the file has %q, and the set %d files", b, theirs.Len())
	}
	f.Close()
	release()

	first, _, err := mine.Append("a", 0o600, Log)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, done, err := theirs.Append("a", 0o600, Log)
	if err != nil {
		t.Fatalf("a second process could not append: %v", err)
	}
	second.Close()
	done()
	if _, _, err := theirs.Create("a", 0o600, Capture); err == nil {
		t.Error("a file that another process appends to was emptied")
	}
}
