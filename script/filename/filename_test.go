//go:build unix

package filename

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// write makes executable files in a folder.
func write(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// The word that begins a command is a program, other words and words with a slash are files; a single folder has more to
// come.
func TestComplete(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	t.Chdir(dir)
	write(t, bin, "tool", "tooth", "other")
	write(t, dir, "tome", "to be", "tool.star", ".hidden")
	for _, d := range []string{filepath.Join(bin, "toofolder"), filepath.Join(dir, "folder")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		text   string
		from   int
		items  []string
		suffix string
	}{
		{"!to", 1, []string{"tool", "tooth"}, " "},
		{"!", 1, nil, " "},
		{"!ls | to", 6, []string{"tool", "tooth"}, " "},
		{"!a;to", 3, []string{"tool", "tooth"}, " "},
		{"!ls to", 4, []string{"tome", "tool.star"}, " "}, // a shell would take "to be" apart
		{"!ls ", 4, []string{"folder/", "tome", "tool.star"}, " "},
		{"!ls .", 4, []string{".hidden"}, " "},
		{"!ls fo", 4, []string{"folder/"}, ""},
		{"!./too", 1, []string{"./tool.star"}, " "},
		{"!ls no/", 4, nil, " "},
	} {
		from, items, suffix := Complete(c.text)
		if from != c.from || !slices.Equal(items, c.items) || suffix != c.suffix {
			t.Errorf("%q: from %d, %q, %q", c.text, from, items, suffix)
		}
	}
	if got := Matching("to"); !slices.Equal(got, []string{"to be", "tome", "tool.star"}) {
		t.Errorf("files are %q", got)
	}
}

// Completion opens nothing but folders: to open a FIFO would block.
func TestFIFO(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Matching(filepath.Join(dir, "x") + "/"); len(got) != 0 {
		t.Errorf("completes %v", got)
	}
	if got := Matching(dir + "/"); !slices.Equal(got, []string{filepath.Join(dir, "x")}) {
		t.Errorf("completes %v", got)
	}
}
